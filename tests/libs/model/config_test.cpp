#include "libs/model/config.h"

#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "libs/model/parameters.h"

namespace pretrain {
namespace {

ModelConfig of_preset(std::string_view name, int64_t characters) {
  return model_config(*find_preset(name), characters);
}

TEST(ModelConfig, AllTenPresetsAreValid) {
  EXPECT_EQ(presets().size(), 10U);
  for (const Preset& preset : presets()) EXPECT_NO_THROW(validate(of_preset(preset.name, 65))) << preset.name;
}

TEST(ModelConfig, BaseHasTheMatrixParametersAndFlopsOfTheReferenceConfiguration) {
  const ModelConfig base = of_preset("base", 0);
  EXPECT_EQ(matrix_parameters(base), 27'066'368);
  EXPECT_NEAR(flops_per_token(base), 167.1e6, 0.1e6);
}

TEST(ModelConfig, TinyHasAboutFiftyThousandParameters) {
  EXPECT_NEAR(static_cast<double>(ParameterLayout(of_preset("tiny", 65)).parameter_count()), 50e3, 8e3);
}

TEST(ModelConfig, SurvivesTheHuggingFaceFile) {
  const ModelConfig config{
      .layers = 3, .d_model = 48, .heads = 4, .d_ff = 96, .vocabulary = 999, .context = 33};
  EXPECT_EQ(config_from_hugging_face(hugging_face_config(config, 1)), config);
}

TEST(ModelConfig, RejectsSizesThatDoNotFit) {
  EXPECT_THROW(validate({.d_model = 100, .heads = 3}), Error);
  EXPECT_THROW(validate({.layers = 0}), Error);
  EXPECT_THROW(validate({.architecture = "mamba"}), Error);
  EXPECT_THROW(config_from_hugging_face(nlohmann::json::object()), Error);
}

}  // namespace
}  // namespace pretrain
