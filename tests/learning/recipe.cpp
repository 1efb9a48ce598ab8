// SPDX-License-Identifier: Apache-2.0
#include "tests/learning/recipe.h"

#include <algorithm>

#include "libs/base/error.h"
#include "libs/base/json.h"

namespace pretrain::learning {
namespace {

constexpr size_t kMostRecipes = 1000;

KeyValues to_options(const JsonField& field) {
  KeyValues options;
  for (const auto& [key, value] : field.object().items()) options[key] = field.at(key).text();
  return options;
}

}  // namespace

RecipeBook parse_recipes(std::string_view text, const std::string& file) {
  const nlohmann::json json = parse_json(text);
  const JsonField book(json, file, "see tests/learning/README.md");
  RecipeBook parsed{.common = to_options(book.at("common")), .recipes = {}};
  for (const JsonField& entry : book.at("recipes").elements(kMostRecipes)) {
    Recipe recipe{.name = entry.at("name").text(), .options = to_options(entry.at("options"))};
    recipe.options.insert(parsed.common.begin(), parsed.common.end());
    if (std::ranges::find(parsed.recipes, recipe.name, &Recipe::name) != parsed.recipes.end())
      entry.at("name").fail_because("is the name of two recipes");
    parsed.recipes.push_back(std::move(recipe));
  }
  return parsed;
}

RunConfiguration configuration_of(const Recipe& recipe, const std::string& corpus, uint64_t steps) {
  KeyValues options = recipe.options;
  options["corpus"] = corpus;
  options["state"] = "not-written";
  // Any number: no schedule is followed until the steps are known.
  options["steps"] = std::to_string(steps > 0 ? steps : 1'000'000);
  options["schedule-steps"] = options["steps"];
  try {
    return to_configuration(resolve(options));
  } catch (const Error& error) {
    fail(error.kind(), "recipe {}: {}", recipe.name, error.what());
  }
}

void check_comparable(const std::vector<Recipe>& recipes, const std::string& corpus) {
  for (const Recipe& recipe : recipes) {
    const RunConfiguration first = configuration_of(recipes.front(), corpus, 0);
    const RunConfiguration own = configuration_of(recipe, corpus, 0);
    const auto require = [&](bool same, const char* what) {
      if (!same)
        fail(ErrorKind::kUsage, "recipe {} has another {} than {}; compare them in two files", recipe.name,
             what, recipes.front().name);
    };
    require(own.vocabulary.pieces == first.vocabulary.pieces && own.vocabulary.type == first.vocabulary.type,
            "vocabulary");
    require(own.model.context == first.model.context, "context");
    require(own.corpus.validation_fraction == first.corpus.validation_fraction &&
                own.validation_tokens == first.validation_tokens,
            "evaluation set");
  }
}

}  // namespace pretrain::learning
