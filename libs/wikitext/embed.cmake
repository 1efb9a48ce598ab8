# SPDX-License-Identifier: Apache-2.0
# Run when a data file has changed: writes OUT, a source with the text of the files RULES, NAMES and DATES. A raw string takes
# the text as it is.
file(READ "${RULES}" rules)
file(READ "${NAMES}" names)
file(READ "${DATES}" dates)
foreach(text IN ITEMS "${rules}" "${names}" "${dates}")
  if("${text}" MATCHES "\\)data\"")
    message(FATAL_ERROR "a data file holds )data\", which ends its string")
  endif()
endforeach()
file(WRITE "${OUT}" "#include \"libs/wikitext/embedded_data.h\"

namespace pretrain::wikitext {

std::string_view template_rules_text() {
  return R\"data(${rules})data\";
}

std::string_view site_names_text() {
  return R\"data(${names})data\";
}

std::string_view date_names_text() {
  return R\"data(${dates})data\";
}

}  // namespace pretrain::wikitext
")
