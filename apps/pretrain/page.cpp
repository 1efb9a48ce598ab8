// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/page.h"

#include <random>
#include <span>
#include <utility>

#include <fmt/format.h>

namespace pretrain {
namespace {

/// Replaces "{{name}}" in the markup.
struct Slot {
  std::string_view name;
  std::string content;
};

/// In one pass, so that a slot's name inside a content stays as it is.
std::string filled(std::string_view markup, std::span<const Slot> slots) {
  std::string page;
  while (true) {
    const size_t begin = markup.find("{{");
    page += markup.substr(0, begin);
    if (begin == std::string_view::npos) return page;
    const size_t end = markup.find("}}", begin);
    const std::string_view name = markup.substr(begin + 2, end - begin - 2);
    for (const Slot& slot : slots) {
      if (slot.name == name) page += slot.content;
    }
    markup.remove_prefix(end + 2);
  }
}

/// A word that nobody can know before the page is made, so that only its own style and scripts run.
std::string new_nonce() {
  std::random_device random;
  std::string nonce;
  for (int i = 0; i < 4; ++i) nonce += fmt::format("{:08x}", random());
  return nonce;
}

/// JSON that can't end the element that holds it.
std::string json_in_markup(const nlohmann::json& data) {
  std::string safe;
  for (const char c : data.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)) {
    if (c == '<' || c == '>' || c == '&') {
      safe += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      safe += c;
    }
  }
  return safe;
}

}  // namespace

std::string served_page() {
  const Slot slots[] = {{"head", "<link rel=\"stylesheet\" href=\"page.css\">"},
                        {"summary", "See /api/v1/runs and /metrics."},
                        {"foot", "<script src=\"page.js\"></script>"}};
  return filled(page_markup(), slots);
}

std::string_view served_page_policy() {
  return "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
         "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
}

std::string report_page(const nlohmann::json& data, std::string_view summary) {
  const std::string nonce = new_nonce();
  const std::string policy = fmt::format(
      "default-src 'none'; script-src 'nonce-{0}'; style-src 'nonce-{0}'; img-src data:; base-uri 'none'; "
      "form-action 'none'",
      nonce);
  const Slot slots[] = {
      {"head",
       fmt::format(
           "<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n<style nonce=\"{}\">\n{}</style>",
           policy, nonce, page_style())},
      {"summary", escape_markup(summary)},
      {"foot",
       fmt::format(
           "<script type=\"application/json\" id=\"data\">{}</script>\n<script nonce=\"{}\">\n{}</script>",
           json_in_markup(data), nonce, page_script())}};
  return filled(page_markup(), slots);
}

std::string escape_markup(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '&':
        safe += "&amp;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

}  // namespace pretrain
