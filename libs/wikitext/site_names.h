// SPDX-License-Identifier: Apache-2.0
#pragma once
// What MediaWiki calls its namespaces, redirects, switches and words in braces on each Wikipedia: the data of
// site_names.txt, which site_names.py writes. Thread-safe once built.

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace pretrain::wikitext {

class SiteNames {
 public:
  explicit SiteNames(std::string_view data);

  /// Whether `code` (folded) is a Wikipedia's, such as "fr" or "zh-yue", or one that links use for it.
  bool is_code(std::string_view code) const { return codes_.contains(code); }
  /// The first code of the wiki that `code` names, such as "no" for "nb"; `code` itself when it names none.
  std::string_view wiki_of(std::string_view code) const;
  /// Whether `word`, without its underscores, is a behaviour switch such as NOTOC on some wiki.
  bool is_switch(std::string_view word) const;

  /// Calls `visit` with each name that `key` ("file", "redirect", ...) has on the wiki `code`, or on that of its
  /// language if `code` is none; for the language "", on all wikis.
  void for_each(std::string_view key, std::string_view code, std::string_view language,
                const std::function<void(std::string_view)>& visit) const;

 private:
  struct Row {
    std::string_view key;
    std::vector<std::string_view> names;
  };
  using Rows = std::vector<Row>;

  void add_line(std::string_view key, std::vector<std::string_view> values);
  static void visit_rows(const Rows& rows, std::string_view key,
                         const std::function<void(std::string_view)>& visit);

  std::vector<Rows> wikis_;
  std::vector<std::string_view> first_codes_;
  std::unordered_map<std::string_view, size_t> wikis_by_code_;  ///< index into wikis_ by code
  std::unordered_set<std::string_view> codes_;
  std::unordered_set<std::string_view> exact_switches_;
  std::unordered_set<std::string> switches_;  ///< folded
};

/// The names of this program.
const SiteNames& site_names();

}  // namespace pretrain::wikitext
