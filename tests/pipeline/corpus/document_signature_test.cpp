// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/document_signature.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "libs/base/rng.h"

namespace pretrain {
namespace {

using Words = std::vector<std::string>;

Words random_words(Rng& rng, size_t count) {
  Words words;
  for (size_t i = 0; i < count; ++i) words.push_back(fmt::format("w{}", rng.below(1'000'000)));
  return words;
}

/// Replaces so many words, each at a random place.
Words changed(Words words, Rng& rng, size_t changes) {
  for (size_t i = 0; i < changes; ++i)
    words[rng.below(words.size())] = fmt::format("x{}", rng.below(1'000'000));
  return words;
}

std::string text_of(const Words& words) {
  return fmt::format("{}", fmt::join(words, " "));
}

/// Jaccard index of the sets of runs of five words.
double exact_similarity(const Words& a, const Words& b) {
  const auto runs = [](const Words& words) {
    std::set<std::string> set;
    for (size_t i = 0; i + 5 <= words.size(); ++i)
      set.insert(fmt::format("{}", fmt::join(words.begin() + static_cast<int64_t>(i),
                                             words.begin() + static_cast<int64_t>(i) + 5, " ")));
    return set;
  };
  const std::set<std::string> of_a = runs(a);
  const std::set<std::string> of_b = runs(b);
  std::vector<std::string> shared;
  std::ranges::set_intersection(of_a, of_b, std::back_inserter(shared));
  return static_cast<double>(shared.size()) / static_cast<double>(of_a.size() + of_b.size() - shared.size());
}

bool shares_a_band(const std::string& a, const std::string& b) {
  const DocumentSignature of_a = signature_of(a);
  const DocumentSignature of_b = signature_of(b);
  for (size_t i = 0; i < DocumentSignature::kBands; ++i) {
    if (of_a.bands[i] == of_b.bands[i]) return true;
  }
  return false;
}

TEST(CountWords, CountsRunsOfLettersAndDigits) {
  EXPECT_EQ(count_words(""), 0u);
  EXPECT_EQ(count_words(" ... — !"), 0u);
  EXPECT_EQ(count_words("One two, three-four (5)."), 5u);
  EXPECT_EQ(count_words("Xã này có diện tích 26 km²"), 7u);
  EXPECT_EQ(count_words("Это — деревня."), 2u);
  EXPECT_EQ(count_words("هذه قرية، صغيرة."), 3u);
  EXPECT_EQ(count_words("서울은 도시이다."), 2u);
}

TEST(CountWords, CountsCharactersOfScriptsWithoutSpaces) {
  EXPECT_EQ(count_words("北京是城市。"), 5u);
  EXPECT_EQ(count_words("東京、カタカナ"), 6u);
  EXPECT_EQ(count_words("ไทย"), 3u);
  EXPECT_EQ(count_words("从1 mm到30 cm"), 6u);
}

TEST(CountWords, CountsHanOutsideOfTheFirstPlane) {
  EXPECT_EQ(count_words("\U00020000\U0002A6DF\U00030000"), 3u);
  EXPECT_EQ(count_words("\U00010330\U00010331 \U0001F600"), 1u);  // Gothic letters and a picture
}

TEST(CountWords, StopsAtTheMostThatIsAskedFor) {
  EXPECT_EQ(count_words("a b c d", 0), 0u);
  EXPECT_EQ(count_words("a b c d", 3), 3u);
  EXPECT_EQ(count_words("a b c d", 4), 4u);
  EXPECT_EQ(count_words("a b c d", 5), 4u);
}

struct Similar {
  size_t words;
  size_t changes;
};

class MinHashEstimate : public testing::TestWithParam<Similar> {};

INSTANTIATE_TEST_SUITE_P(Texts, MinHashEstimate,
                         testing::Values(Similar{30, 1}, Similar{60, 3}, Similar{200, 5}, Similar{200, 20},
                                         Similar{1000, 10}, Similar{1000, 100}, Similar{1000, 900}),
                         [](const auto& pair) {
                           return fmt::format("{}Changes{}", pair.param.words, pair.param.changes);
                         });

/// The estimate of one pair has a standard deviation of at most sqrt(1/4/128) = 0.044 for long texts; short ones, with
/// fewer runs than minima, have more.
TEST_P(MinHashEstimate, IsTheJaccardIndexOnAverage) {
  constexpr int kTrials = 100;
  Rng rng(7);
  double exact = 0;
  double estimated = 0;
  double square = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    const Words a = random_words(rng, GetParam().words);
    const Words b = changed(a, rng, GetParam().changes);
    const double truth = exact_similarity(a, b);
    const double guess = similarity(*min_hash_of(text_of(a)), *min_hash_of(text_of(b)));
    exact += truth / kTrials;
    estimated += guess / kTrials;
    square += (guess - truth) * (guess - truth) / kTrials;
  }
  EXPECT_NEAR(estimated, exact, 0.03);
  EXPECT_LT(std::sqrt(square), GetParam().words < 100 ? 0.13 : 0.06);
}

/// The probabilities of the header, within what 400 pairs of random texts allow.
TEST(DocumentSignature, FindsPairsByTheirSimilarity) {
  Rng rng(11);
  const auto share_found = [&](size_t changes, double& mean) {
    int found = 0;
    mean = 0;
    for (int trial = 0; trial < 400; ++trial) {
      const Words a = random_words(rng, 400);
      const Words b = changed(a, rng, changes);
      mean += exact_similarity(a, b) / 400;
      found += shares_a_band(text_of(a), text_of(b)) ? 1 : 0;
    }
    return found / 400.0;
  };
  double mean = 0;
  EXPECT_GT(share_found(4, mean), 0.98);
  EXPECT_NEAR(mean, 0.9, 0.02);
  EXPECT_NEAR(share_found(16, mean), 0.55, 0.13);
  EXPECT_NEAR(mean, 0.7, 0.03);
  EXPECT_LT(share_found(40, mean), 0.06);
  EXPECT_NEAR(mean, 0.44, 0.03);
  EXPECT_EQ(share_found(2000, mean), 0);
}

/// Fewer runs of words than minima, down to one.
TEST(DocumentSignature, ShortTextsThatDifferShareNoBand) {
  Rng rng(13);
  for (size_t words = 1; words < 12; ++words) {
    for (int trial = 0; trial < 50; ++trial) {
      const std::string one = text_of(random_words(rng, words)), other = text_of(random_words(rng, words));
      ASSERT_TRUE(shares_a_band(one, one));
      ASSERT_FALSE(shares_a_band(one, other)) << one << " / " << other;
    }
  }
}

TEST(DocumentSignature, IgnoresCaseAndPunctuationInBandsAlone) {
  const DocumentSignature plain = signature_of("it is one of the towns in the north");
  const DocumentSignature other = signature_of("It is one of the towns -- in the NORTH.");
  EXPECT_EQ(plain.bands, other.bands);
  EXPECT_NE(plain.text, other.text);
  EXPECT_TRUE(plain.has_words);
}

TEST(DocumentSignature, DependsOnTheOrderOfWords) {
  EXPECT_NE(signature_of("one two three").bands, signature_of("three two one").bands);
  EXPECT_NE(signature_of("one two three four five six").bands,
            signature_of("six five four three two one").bands);
}

TEST(DocumentSignature, OfATextWithoutWordsHasNoBands) {
  EXPECT_FALSE(signature_of("").has_words);
  EXPECT_FALSE(signature_of("— … —").has_words);
  EXPECT_NE(signature_of("— … —").text, signature_of("—").text);
}

TEST(DocumentSignature, TakesAnyBytes) {
  Rng rng(3);
  for (int trial = 0; trial < 2000; ++trial) {
    std::string bytes;
    for (uint64_t i = rng.below(40); i > 0; --i) bytes += static_cast<char>(rng.below(256));
    EXPECT_EQ(signature_of(bytes), signature_of(bytes));
  }
  EXPECT_TRUE(signature_of("\xe4\xb8").has_words);  // the beginning of a character
}

}  // namespace
}  // namespace pretrain
