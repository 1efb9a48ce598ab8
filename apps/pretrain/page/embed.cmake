# SPDX-License-Identifier: Apache-2.0
# Writes OUT, a source with the files of the page in FOLDER as text, so that the program needs no files beside itself.
# The scripts become one, in an order in which each uses what is above it.
set(scripts format.js chart.js view.js sections.js page.js live.js)
set(script)
foreach(file ${scripts})
  file(READ "${FOLDER}/${file}" content)
  string(APPEND script "${content}\n")
endforeach()
file(READ "${FOLDER}/page.html" page_markup)
file(READ "${FOLDER}/page.css" page_style)
set(page_script "${script}")
file(READ "${FOLDER}/typing.html" typing_markup)
file(READ "${FOLDER}/format.js" format)
file(READ "${FOLDER}/typing.js" typing)
set(typing_script "${format}\n${typing}")

set(source "#include \"apps/pretrain/page.h\"\n\nnamespace pretrain {\n")
foreach(part page_markup page_style page_script typing_markup typing_script)
  string(APPEND source "\nstd::string_view ${part}() {\n  return R\"~~~(${${part}})~~~\";\n}\n")
endforeach()
file(WRITE "${OUT}" "${source}\n}  // namespace pretrain\n")
