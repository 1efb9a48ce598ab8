// SPDX-License-Identifier: Apache-2.0
#pragma once
// Recipes as data: a name and the options of `pretrain train` that make it, in a JSON file:
//
//   {"common": {"model": "prototype", "vocab": "4000"},
//    "recipes": [{"name": "adamw", "options": {"schedule": "cosine"}}, ...]}
//
// An option of a recipe overrides the same one in "common". All values are texts, as on the command line.

#include <string>
#include <string_view>
#include <vector>

#include "apps/pretrain/configuration.h"

namespace pretrain::learning {

struct Recipe {
  std::string name;
  KeyValues options;  ///< those of all recipes included
};

struct RecipeBook {
  KeyValues common;
  std::vector<Recipe> recipes;
};

/// Errors: kData, naming the file, when it is no such file, and when two recipes have one name.
RecipeBook parse_recipes(std::string_view text, const std::string& file);

/// The configuration of a run of a recipe on a corpus, for so many steps; 0: not known yet.
/// Errors: kUsage for an option that is refused, naming the recipe.
RunConfiguration configuration_of(const Recipe& recipe, const std::string& corpus, uint64_t steps);

/// What makes recipes comparable: they must agree in the vocabulary, the context and the text that is held
/// out.
/// Errors: kUsage, naming the recipe and what differs.
void check_comparable(const std::vector<Recipe>& recipes, const std::string& corpus);

}  // namespace pretrain::learning
