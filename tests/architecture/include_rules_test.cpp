// SPDX-License-Identifier: Apache-2.0
#include "tests/architecture/include_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pretrain::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(IncludesOf, FindsBothSpellingsWithTheirLines) {
  const auto includes =
      includes_of("// text\n#include <vector>\n\n  #  include \"libs/base/file.h\"  // why\n");
  ASSERT_EQ(includes.size(), 2U);
  EXPECT_EQ(includes[0].target, "vector");
  EXPECT_TRUE(includes[0].angled);
  EXPECT_EQ(includes[0].line, 2);
  EXPECT_EQ(includes[1].target, "libs/base/file.h");
  EXPECT_FALSE(includes[1].angled);
  EXPECT_EQ(includes[1].line, 4);
}

TEST(IncludesOf, ReadsLinesWithCarriageReturns) {
  EXPECT_EQ(includes_of("#include <vector>\r\n").size(), 1U);
}

TEST(IncludesOf, PassesOverMacrosCommentsAndStrings) {
  EXPECT_THAT(includes_of("#include HWY_TARGET_INCLUDE\n// #include <a>\nauto s = \"#include <a>\";\n"),
              IsEmpty());
}

TEST(LayerOf, TakesTheLongestFolder) {
  EXPECT_EQ(layer_of("pipeline/packer.h"), "pipeline");
  EXPECT_EQ(layer_of("pipeline/corpus/catalog.h"), "pipeline/corpus");
  EXPECT_EQ(layer_of("libs/tensor/reference/ops.h"), "libs/tensor");
  EXPECT_EQ(layer_of("libs/based/x.h"), "");
}

TEST(Layers, AcceptDownwardIncludes) {
  EXPECT_THAT(include_faults("apps/pretrain/main.cpp", "#include \"pipeline/loader.h\"\n"), IsEmpty());
  EXPECT_THAT(include_faults("pipeline/loader.cpp", "#include \"pipeline/corpus/catalog.h\"\n"), IsEmpty());
  EXPECT_THAT(include_faults("pipeline/encode.cpp", "#include \"tokenizer/tokenizer.h\"\n"), IsEmpty());
  EXPECT_THAT(include_faults("libs/train/step.cpp", "#include \"libs/optim/adamw.h\"\n"), IsEmpty());
  EXPECT_THAT(include_faults("libs/base/file.cpp", "#include \"libs/base/file.h\"\n"), IsEmpty());
}

struct Planted {
  const char* path;
  const char* line;
  const char* complaint;
};

class PlantedFault : public testing::TestWithParam<Planted> {};

TEST_P(PlantedFault, IsFound) {
  const Planted& planted = GetParam();
  const std::string content = std::string("#include <vector>\n") + planted.line + "\n";
  EXPECT_THAT(include_faults(planted.path, content),
              ElementsAre(HasSubstr(std::string(planted.path) + ":2: " + planted.complaint)));
}

INSTANTIATE_TEST_SUITE_P(
    Upward, PlantedFault,
    testing::Values(
        Planted{"libs/base/file.cpp", "#include \"libs/tensor/gemm.h\"", "libs/base may not include"},
        Planted{"libs/tensor/gemm.h", "#include \"libs/model/config.h\"", "libs/tensor may not include"},
        Planted{"libs/model/linear.cpp", "#include \"libs/optim/adamw.h\"", "libs/model may not include"},
        Planted{"libs/data/batch.cpp", "#include \"libs/metrics/step_log.h\"", "libs/data may not"},
        Planted{"libs/train/step.cpp", "#include \"pipeline/loader.h\"", "libs/train may not include"},
        Planted{"tokenizer/export.cpp", "#include \"pipeline/chunk.h\"", "tokenizer may not include"},
        Planted{"pipeline/loader.cpp", "#include \"apps/pretrain/options.h\"", "pipeline may not"},
        Planted{"pipeline/corpus/region.h", "#include \"pipeline/packer.h\"", "pipeline/corpus may not"},
        Planted{"apps/pretrain/main.cpp", "#include \"tests/support/matchers.h\"", "apps may not include"}));

INSTANTIATE_TEST_SUITE_P(OutsideTheTable, PlantedFault,
                         testing::Values(Planted{"libs/new/a.cpp", "#include \"libs/base/file.h\"",
                                                 "this folder is not in the layer table"},
                                         Planted{"apps/pretrain/main.cpp", "#include \"libs/new/a.h\"",
                                                 "libs/new/a.h is in no folder"}));

INSTANTIATE_TEST_SUITE_P(
    OutsideItsHome, PlantedFault,
    testing::Values(
        Planted{"libs/train/trainer.cpp", "#include <tbb/flow_graph.h>", "flow graphs live in pipeline/"},
        Planted{"libs/train/trainer.cpp", "#include <oneapi/tbb/flow_graph.h>",
                "flow graphs live in pipeline/"},
        Planted{"tokenizer/tokenizer.h", "#include <sentencepiece_processor.h>", "SentencePiece lives in"},
        Planted{"pipeline/encode.cpp", "#include <sentencepiece_processor.h>", "SentencePiece lives in"},
        Planted{"libs/model/linear.cpp", "#include <hwy/highway.h>", "Highway lives in libs/tensor/"},
        Planted{"libs/model/linear.cpp", "#include <hwy/highway.h>", "Highway lives in libs/tensor/"},
        Planted{"libs/base/machine.cpp", "#include <immintrin.h>", "processor features live in libs/tensor/"},
        Planted{"pipeline/loader.cpp", "#include <boost/program_options.hpp>",
                "Program_options lives in apps/"},
        Planted{"libs/checkpoint/store.cpp", "#include <fcntl.h>", "the operating system's calls live in"},
        Planted{"libs/checkpoint/store.cpp", "#include <sys/stat.h>", "the operating system's calls live in"},
        Planted{"apps/pretrain/main.cpp", "#include <unistd.h>", "the operating system's calls live in"}));

INSTANTIATE_TEST_SUITE_P(Misspelt, PlantedFault,
                         testing::Values(Planted{"libs/base/file.cpp", "#include \"file.h\"",
                                                 "\"file.h\" is not written from the top"},
                                         Planted{"libs/base/file.cpp", "#include \"base/file.h\"",
                                                 "\"base/file.h\" is not written from the top"},
                                         Planted{"libs/base/file.cpp",
                                                 "#include \"libs/base/../base/file.h\"",
                                                 "\"libs/base/../base/file.h\" is not"},
                                         Planted{"tests/libs/base/file_test.cpp", "#include \"sample.h\"",
                                                 "\"sample.h\" is not written from the top"},
                                         Planted{"libs/base/file.cpp", "#include <libs/base/file.h>",
                                                 "<libs/base/file.h> is ours"}));

TEST(Homes, AcceptWhatIsAtHome) {
  EXPECT_THAT(include_faults("pipeline/loader.cpp", "#include <tbb/flow_graph.h>\n"), IsEmpty());
  EXPECT_THAT(include_faults("libs/tensor/compute.h", "#include <tbb/task_arena.h>\n"), IsEmpty());
  EXPECT_THAT(include_faults("tokenizer/tokenizer.cpp", "#include <sentencepiece_processor.h>\n"), IsEmpty());
  EXPECT_THAT(include_faults("libs/base/file.cpp", "#include <fcntl.h>\n#include <sys/stat.h>\n"), IsEmpty());
  EXPECT_THAT(include_faults("libs/base/stop.h", "#include <csignal>\n"), IsEmpty());
  EXPECT_THAT(include_faults("apps/pretrain/options.cpp", "#include <boost/program_options.hpp>\n"),
              IsEmpty());
  EXPECT_THAT(include_faults("tests/end_to_end/kill_test.cpp", "#include <unistd.h>\n"), IsEmpty());
}

TEST(TopLevel, HoldsOnlyWhatIsFixed) {
  EXPECT_THAT(top_level_faults({".clang-tidy", "CMakeLists.txt", "apps", "build", "deploy"}), IsEmpty());
  EXPECT_THAT(top_level_faults({"docs", "apps", "setup.py"}),
              ElementsAre(HasSubstr("docs does not belong"), HasSubstr("setup.py does not belong")));
}

}  // namespace
}  // namespace pretrain::test
