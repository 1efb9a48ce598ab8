// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/math_text.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "libs/base/utf8.h"
#include "libs/wikitext/entities.h"
#include "libs/wikitext/quantities.h"
#include "libs/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

struct Symbol {
  std::string_view name;
  std::string_view text;
};

// Several to a line, or the table would fill the file.
// clang-format off
constexpr Symbol kSymbols[] = {
    {"AA", "Å"}, {"Box", "□"}, {"C", "ℂ"}, {"Delta", "Δ"}, {"Diamond", "◇"}, {"Gamma", "Γ"}, {"Im", "Im"},
    {"Lambda", "Λ"}, {"Leftarrow", "⇐"}, {"Leftrightarrow", "⇔"}, {"Longleftrightarrow", "⟺"},
    {"Longrightarrow", "⟹"}, {"N", "ℕ"}, {"Omega", "Ω"},
    {"Phi", "Φ"}, {"Pi", "Π"}, {"Pr", "Pr"}, {"Psi", "Ψ"}, {"Q", "ℚ"}, {"R", "ℝ"}, {"Re", "Re"},
    {"Rightarrow", "⇒"}, {"Sigma", "Σ"}, {"Theta", "Θ"}, {"Upsilon", "Υ"}, {"Vert", "‖"}, {"Xi", "Ξ"},
    {"Z", "ℤ"}, {"aleph", "ℵ"}, {"alpha", "α"}, {"and", "∧"}, {"angle", "∠"}, {"approx", "≈"},
    {"arccos", "arccos"}, {"arcsin", "arcsin"}, {"arctan", "arctan"}, {"arg", "arg"}, {"ast", "*"},
    {"backslash", "\\"}, {"because", "∵"}, {"beta", "β"}, {"bigcap", "⋂"}, {"bigcup", "⋃"},
    {"bigoplus", "⨁"}, {"bigotimes", "⨂"}, {"blacksquare", "■"}, {"bmod", "mod"}, {"bot", "⊥"}, {"bullet", "•"}, {"cap", "∩"}, {"cdot", "·"}, {"cdots", "…"},
    {"chi", "χ"}, {"circ", "∘"}, {"colon", ":"}, {"complement", "∁"}, {"cong", "≅"}, {"coprod", "∐"}, {"cos", "cos"}, {"cosh", "cosh"},
    {"cot", "cot"}, {"coth", "coth"}, {"csc", "csc"}, {"cup", "∪"}, {"dagger", "†"}, {"ddagger", "‡"}, {"ddots", "…"},
    {"deg", "deg"}, {"degree", "°"}, {"delta", "δ"}, {"det", "det"}, {"dim", "dim"}, {"div", "÷"},
    {"dots", "…"}, {"dotsb", "…"}, {"dotsc", "…"}, {"dotsi", "…"}, {"dotsm", "…"}, {"dotso", "…"},
    {"downarrow", "↓"}, {"ell", "ℓ"}, {"emptyset", "∅"}, {"epsilon", "ε"}, {"equiv", "≡"}, {"eta", "η"},
    {"exists", "∃"}, {"exp", "exp"}, {"forall", "∀"}, {"gamma", "γ"}, {"gcd", "gcd"}, {"ge", "≥"},
    {"geq", "≥"}, {"geqslant", "≥"}, {"gg", "≫"}, {"gt", ">"}, {"hbar", "ℏ"}, {"hom", "hom"},
    {"hookrightarrow", "↪"}, {"iff", "⇔"}, {"iiint", "∭"}, {"iint", "∬"}, {"imath", "ı"}, {"implies", "⇒"}, {"in", "∈"},
    {"inf", "inf"}, {"infty", "∞"}, {"int", "∫"}, {"iota", "ι"}, {"jmath", "ȷ"}, {"kappa", "κ"},
    {"ker", "ker"}, {"lVert", "‖"}, {"lambda", "λ"}, {"land", "∧"}, {"langle", "⟨"}, {"lbrace", "{"},
    {"lbrack", "["}, {"lceil", "⌈"}, {"ldots", "…"}, {"le", "≤"}, {"leftarrow", "←"},
    {"leftrightarrow", "↔"}, {"leq", "≤"}, {"leqslant", "≤"}, {"lfloor", "⌊"}, {"lg", "lg"},
    {"lim", "lim"}, {"liminf", "liminf"}, {"limsup", "limsup"}, {"ll", "≪"}, {"ln", "ln"}, {"lnot", "¬"},
    {"log", "log"}, {"longleftrightarrow", "⟷"}, {"longmapsto", "↦"}, {"longrightarrow", "→"}, {"lor", "∨"}, {"lt", "<"}, {"ltimes", "⋉"},
    {"lvert", "|"}, {"mapsto", "↦"}, {"max", "max"}, {"mid", "|"}, {"min", "min"}, {"mod", "mod"},
    {"models", "⊨"}, {"mp", "∓"}, {"mu", "μ"}, {"nabla", "∇"}, {"ne", "≠"}, {"neg", "¬"}, {"neq", "≠"},
    {"nexists", "∄"}, {"ni", "∋"}, {"nmid", "∤"}, {"notin", "∉"}, {"nu", "ν"}, {"odot", "⊙"},
    {"oint", "∮"}, {"omega", "ω"}, {"ominus", "⊖"}, {"oplus", "⊕"}, {"or", "∨"}, {"otimes", "⊗"},
    {"parallel", "∥"}, {"partial", "∂"}, {"perp", "⊥"}, {"phi", "φ"}, {"pi", "π"}, {"pm", "±"},
    {"pmod", "mod"}, {"prec", "≺"}, {"preceq", "⪯"}, {"prime", "′"}, {"prod", "∏"}, {"propto", "∝"}, {"psi", "ψ"},
    {"qquad", " "}, {"quad", " "}, {"rVert", "‖"}, {"rangle", "⟩"}, {"rbrace", "}"}, {"rbrack", "]"},
    {"rceil", "⌉"}, {"reals", "ℝ"}, {"rfloor", "⌋"}, {"rho", "ρ"}, {"rightarrow", "→"},
    {"rightleftharpoons", "⇌"}, {"rtimes", "⋊"}, {"rvert", "|"}, {"sec", "sec"}, {"setminus", "∖"}, {"sigma", "σ"},
    {"sim", "∼"}, {"simeq", "≃"}, {"sin", "sin"}, {"sinh", "sinh"}, {"square", "□"}, {"star", "⋆"},
    {"subset", "⊂"}, {"subseteq", "⊆"}, {"subsetneq", "⊊"}, {"succ", "≻"}, {"succeq", "⪰"}, {"sum", "∑"}, {"sup", "sup"}, {"supset", "⊃"},
    {"supseteq", "⊇"}, {"surd", "√"}, {"tan", "tan"}, {"tanh", "tanh"}, {"tau", "τ"}, {"therefore", "∴"},
    {"theta", "θ"}, {"times", "×"}, {"to", "→"}, {"top", "⊤"}, {"triangle", "△"}, {"uparrow", "↑"},
    {"upsilon", "υ"}, {"varepsilon", "ε"}, {"varnothing", "∅"}, {"varphi", "φ"}, {"varpi", "ϖ"},
    {"varrho", "ϱ"}, {"varsigma", "ς"}, {"vartheta", "ϑ"}, {"vdash", "⊢"}, {"vdots", "…"}, {"vee", "∨"},
    {"vert", "|"}, {"wedge", "∧"}, {"wp", "℘"}, {"xi", "ξ"}, {"zeta", "ζ"},
};
// clang-format on
static_assert(std::ranges::is_sorted(kSymbols, {}, &Symbol::name));

/// Commands that change how something looks, which is shown as if they weren't there.
constexpr std::string_view kLooks =
    " Big Bigg Biggl Biggr Bigl Bigr acute allowbreak bar bf big bigg biggl biggm biggr bigl bigm bigr bm boldsymbol bold breve "
    "cal ce check ddot displaystyle displaylimits dot emph enspace fbox grave hat hbox it left limits mathbf mathbin mathcal "
    "mathclose mathfrak mathinner mathit mathop mathopen mathord mathpunct mathrel mathring mathrm mathscr mathsf mathstrut "
    "mathtt mbox middle nobreak nolimits nonumber notag operatorname overleftarrow overline overrightarrow pmb right rm "
    "scriptscriptstyle scriptstyle sf smash strut text textbf textit textnormal textrm textsf textstyle texttt thinspace "
    "tilde tt underline vec widehat widetilde ";

/// "R" as "ℝ"; "" for what has no such letter.
std::string_view double_struck(std::string_view letter) {
  constexpr std::string_view kLetters[][2] = {{"C", "ℂ"}, {"H", "ℍ"}, {"N", "ℕ"}, {"P", "ℙ"},
                                              {"Q", "ℚ"}, {"R", "ℝ"}, {"Z", "ℤ"}};
  const auto* found = std::ranges::find_if(kLetters, [&](const auto& pair) { return pair[0] == letter; });
  return found == std::end(kLetters) ? "" : (*found)[1];
}

/// "=" as "≠"; "" for a sign without such a form.
std::string_view negated(std::string_view sign) {
  constexpr std::string_view kSigns[][2] = {{"=", "≠"}, {"∈", "∉"}, {"∋", "∌"}, {"∃", "∄"}, {"≡", "≢"},
                                            {"⊂", "⊄"}, {"⊃", "⊅"}, {"⊆", "⊈"}, {"∼", "≁"}, {"≤", "≰"},
                                            {"≥", "≱"}, {"<", "≮"}, {">", "≯"}, {"∥", "∦"}, {"|", "∤"},
                                            {"≈", "≉"}, {"≅", "≇"}};
  const auto* found = std::ranges::find_if(kSigns, [&](const auto& pair) { return pair[0] == sign; });
  return found == std::end(kSigns) ? "" : (*found)[1];
}

/// The role of a group relative to the text before it.
enum class Role : uint8_t {
  kPlain,
  kPower,
  kIndex,
  kNumerator,
  kDenominator,
  kUpper,
  kLower,
  kRoot,
  kDoubleStruck,
};

class FormulaWriter {
 public:
  explicit FormulaWriter(std::string_view tex) : tex_(tex) {}

  bool write(std::string& out) {
    while (at_ < tex_.size() && shown_) step();
    if (!shown_ || !groups_.empty()) return false;
    out += trim(text_);
    return !trim(text_).empty();
  }

 private:
  struct Group {
    size_t start;
    Role role;
  };

  void step() {
    const char byte = tex_[at_++];
    switch (byte) {
      case '\\':
        return command();
      case '{':
        return open_group();
      case '}':
        return close_group();
      case '^':
        next_ = Role::kPower;
        return;
      case '_':
        next_ = Role::kIndex;
        return;
      case '&':
        shown_ = false;
        return;
      case '~':
        return put(" ");
      case '%':
        return put("%");
      default:
        return character(byte);
    }
  }

  void character(char byte) {
    if (is_space(byte)) {
      if (!text_.ends_with(' ')) text_ += ' ';
      return;
    }
    size_t end = at_;
    while (end < tex_.size() && continues_utf8(tex_[end])) ++end;
    const std::string_view whole = tex_.substr(at_ - 1, end - at_ + 1);
    at_ = end;
    put(whole);
  }

  void command() {
    if (at_ == tex_.size()) return;
    if (static_cast<unsigned char>(tex_[at_]) >= 0x80) return;  // a whole character follows
    if (!is_letter(tex_[at_])) return escaped(tex_[at_++]);
    const size_t start = at_;
    while (at_ < tex_.size() && is_letter(tex_[at_])) ++at_;
    const std::string_view name = tex_.substr(start, at_ - start);
    const auto* symbol = std::ranges::lower_bound(kSymbols, name, {}, &Symbol::name);
    if (symbol != std::end(kSymbols) && symbol->name == name) return put(symbol->text);
    if (name == "sqrt") {
      root_degree();
      next_ = Role::kRoot;
    } else if (name.ends_with("frac")) {
      next_ = Role::kNumerator;
    } else if (name.ends_with("binom")) {
      next_ = Role::kUpper;
    } else if (name == "mathbb" || name == "Bbb") {
      next_ = Role::kDoubleStruck;
    } else if (name == "not") {
      negate_ = true;
    } else if (kLooks.find(concat({" ", name, " "})) == std::string_view::npos) {
      shown_ = false;  // without a sign that is not known here, the formula would say something else
    }
  }

  /// "\sqrt[3]{x}": a small number before the sign of the root.
  void root_degree() {
    const size_t end = at_ < tex_.size() && tex_[at_] == '[' ? tex_.find(']', at_) : std::string_view::npos;
    if (end == std::string_view::npos) return;
    const std::string_view degree = trim(tex_.substr(at_ + 1, end - at_ - 1));
    const std::string raised = raised_text(degree);
    text_ += degree == "n" ? "ⁿ" : raised.empty() ? degree : raised;
    at_ = end + 1;
  }

  void escaped(char byte) {
    constexpr std::string_view kShown = "{}%$#&_";
    const bool doubled = (byte == '{' || byte == '}') && text_.ends_with(byte);  // would look like a template
    if (doubled) text_ += ' ';
    if (kShown.find(byte) != std::string_view::npos) return put(std::string_view(&byte, 1));
    if (byte != '!' && !text_.ends_with(' ')) text_ += ' ';
  }

  /// Reads one token, or a whole group if one is expected.
  void put(std::string_view token) {
    const Role role = take_role();
    const size_t start = text_.size();
    if (negate_) {
      negate_ = false;
      token = negated(token);
      shown_ = shown_ && !token.empty();
    }
    text_ += token;
    if (role != Role::kPlain) finish({start, role});
  }

  Role take_role() {
    const Role role = next_;
    next_ = Role::kPlain;
    return role;
  }

  void open_group() {
    constexpr size_t kDeepest = 24;
    shown_ = groups_.size() < kDeepest;
    groups_.push_back({text_.size(), take_role()});
  }

  void close_group() {
    if (groups_.empty()) return;
    const Group group = groups_.back();
    groups_.pop_back();
    finish(group);
  }

  void finish(const Group& group) {
    if (group.role == Role::kPlain) return;
    const std::string content(trim(std::string_view(text_).substr(group.start)));
    text_.resize(group.start);
    const std::string raised = group.role == Role::kPower ? raised_text(content) : "";
    if (!raised.empty()) {
      text_ += raised;
      return;
    }
    if (group.role == Role::kPower && content == "∘") {
      text_ += "°";
      return;
    }
    if (group.role == Role::kUpper) {
      text_ += concat({"(", content, " choose "});
      next_ = Role::kLower;
      return;
    }
    if (group.role == Role::kLower) {
      text_ += concat({content, ")"});
      return;
    }
    if (group.role == Role::kDoubleStruck) {
      const std::string_view letter = double_struck(content);
      text_ += letter.empty() ? std::string_view(content) : letter;
      return;
    }
    text_ += mark_of(group.role);
    text_ += bracketed(content);
    if (group.role == Role::kNumerator) {
      text_ += '/';
      next_ = Role::kDenominator;
    }
  }

  static std::string_view mark_of(Role role) {
    switch (role) {
      case Role::kPower:
        return "^";
      case Role::kIndex:
        return "_";
      case Role::kRoot:
        return "√";
      default:
        return "";
    }
  }

  /// Adds brackets unless it is one word or number.
  static std::string bracketed(const std::string& content) {
    const bool word = std::ranges::all_of(content, [](char c) {
      return is_letter(c) || is_digit(c) || c == '.' || static_cast<unsigned char>(c) >= 0x80;
    });
    return word ? content : concat({"(", content, ")"});
  }

  std::string_view tex_;
  size_t at_ = 0;
  std::string text_;
  std::vector<Group> groups_;
  Role next_ = Role::kPlain;
  bool negate_ = false;  ///< the next sign
  bool shown_ = true;
};

}  // namespace

bool append_formula(std::string_view tex, std::string& out) {
  std::string decoded;
  append_decoded(tex, decoded);
  return FormulaWriter(decoded).write(out);
}

}  // namespace pretrain::wikitext
