// SPDX-License-Identifier: Apache-2.0
#pragma once
// {{coord|52|30|N|13|24|E}}: a place on the globe. Thread-safe: pure functions.

#include <string>

#include "libs/wikitext/template_call.h"

namespace pretrain::wikitext {

/// "52°30′N 13°24′E", or as the wiki's language writes it ("52°30′ с. ш. 13°24′ в. д."), from degrees with minutes and
/// seconds, or from signed decimals; "" for coordinates that are shown at the title only, that begin a line, where they
/// are a note, and that are incomplete.
std::string coordinates_text(const TemplateCall& call);

/// Of {{Coordinate|text=DMS|NS=52/31/00/N|EW=13/24/00/E}}: "52° 31′ 0″ N, 13° 24′ 0″ O", and `text` itself when it is no
/// form or picture; "" without `text`, for forms that would have to be computed, and as above.
std::string german_coordinates_text(const TemplateCall& call);

}  // namespace pretrain::wikitext
