// SPDX-License-Identifier: Apache-2.0
#pragma once
// The first sentence of a biography on the Italian Wikipedia, which articles there leave to the template Bio.
// Thread-safe: a pure function.

#include <string>

#include "libs/wikitext/template_arguments.h"

namespace pretrain::wikitext {

/// "Carla Neri (Pavia, 3 maggio 1901 – Roma, 9 giugno 1980) è stata una pittrice italiana."; "" without a name.
std::string italian_biography(const TemplateArguments& arguments);

}  // namespace pretrain::wikitext
