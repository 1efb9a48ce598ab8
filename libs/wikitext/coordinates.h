// SPDX-License-Identifier: Apache-2.0
#pragma once
// {{coord|52|30|N|13|24|E}}: a place on the globe. Thread-safe: pure functions.

#include <string>

#include "libs/wikitext/template_call.h"

namespace pretrain::wikitext {

/// "52°30′N 13°24′E", from degrees with minutes and seconds, or from signed decimals; "" for coordinates that are
/// shown at the title only, that begin a line, where they are a note, and that are incomplete.
std::string coordinates_text(const TemplateCall& call);

}  // namespace pretrain::wikitext
