# SPDX-License-Identifier: Apache-2.0
# Run by `cmake --install`: writes what names places, the unit and the texts, with the places of this very
# installation. Only then is the prefix known (`--prefix`). $DESTDIR is where the files go, not where they will lie: no
# path in them holds it.
# Set by the caller: source, build, and bindir, datadir, docdir (absolute, or relative to CMAKE_INSTALL_PREFIX).

get_filename_component(prefix "${CMAKE_INSTALL_PREFIX}" ABSOLUTE)
foreach(folder bindir datadir docdir)
  get_filename_component(${folder} "${${folder}}" ABSOLUTE BASE_DIR "${prefix}")
endforeach()

# A file that everybody may read, whatever the umask of who installs; `cmake --install` lists it with the others.
function(install_text file content)
  message(STATUS "Installing: $ENV{DESTDIR}${file}")
  file(WRITE "$ENV{DESTDIR}${file}" "${content}")
  file(CHMOD "$ENV{DESTDIR}${file}" PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
  list(APPEND CMAKE_INSTALL_MANIFEST_FILES "${file}")
  set(CMAKE_INSTALL_MANIFEST_FILES "${CMAKE_INSTALL_MANIFEST_FILES}" PARENT_SCOPE)
endfunction()

# In a unit % begins a specifier, and a blank ends a word.
string(REPLACE "%" "%%" program "${bindir}/pretrain")
if(program MATCHES "[ \t]")
  set(program "\"${program}\"")
endif()
string(REPLACE "%" "%%25" documents "${docdir}")
string(REPLACE " " "%%20" documents "${documents}")
set(units "${prefix}/lib/systemd/system")
foreach(name pretrain.service pretrain-dashboard.service pretrain-dashboard.socket)
  file(READ "${source}/deploy/systemd/${name}" unit)
  string(REPLACE "ExecStart=/usr/bin/pretrain" "ExecStart=${program}" unit "${unit}")
  string(REPLACE "file:/usr/share/doc/pretrain" "file:${documents}" unit "${unit}")
  install_text("${units}/${name}" "${unit}")
endforeach()
# The same service for several runs, each with a configuration and a state folder of its own.
file(READ "${source}/deploy/systemd/pretrain.service" unit)
string(REPLACE "ExecStart=/usr/bin/pretrain" "ExecStart=${program}" unit "${unit}")
string(REPLACE "file:/usr/share/doc/pretrain" "file:${documents}" unit "${unit}")
string(REPLACE "/etc/pretrain.conf" "/etc/pretrain/%i.conf" unit "${unit}")
string(REPLACE "of a language model" "of a language model (%i)" unit "${unit}")
string(REPLACE "/var/lib/pretrain" "/var/lib/pretrain-%i" unit "${unit}")
string(REPLACE "StateDirectory=pretrain" "StateDirectory=pretrain-%i" unit "${unit}")
install_text("${units}/pretrain@.service" "${unit}")
file(READ "${source}/deploy/systemd/pretrain.sysusers" users)
install_text("${prefix}/lib/sysusers.d/pretrain.conf" "${users}")

foreach(text README.md deploy/README.md)
  file(READ "${source}/${text}" content)
  string(REPLACE "deploy/README.md" "operating.md" content "${content}")
  string(REPLACE "deploy/fetch-wikipedia.sh" "${datadir}/pretrain/fetch-wikipedia.sh" content "${content}")
  string(REPLACE "deploy/README.md" "operating.md" name "${text}")
  install_text("${docdir}/${name}" "${content}")
endforeach()

# Where zsh of Debian looks for what packages bring; elsewhere what zsh itself searches.
set(completions "${datadir}/zsh/site-functions")
if(prefix STREQUAL "/usr")
  set(completions "${datadir}/zsh/vendor-completions")
endif()
file(READ "${build}/share/zsh/site-functions/_pretrain" content)
install_text("${completions}/_pretrain" "${content}")

if(NOT prefix MATCHES "^(/|/usr|/usr/local)$")
  message(STATUS "systemd does not look below ${prefix} for units; run:"
                 " systemctl link ${prefix}/lib/systemd/system/pretrain.service")
endif()
