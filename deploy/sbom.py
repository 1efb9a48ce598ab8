#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints what a program consists of as a CycloneDX 1.4 document (JSON).

Usage: sbom.py PROGRAM VERSION
The components are the Debian packages that hold the libraries PROGRAM is linked to, directly or through another
library, and the header-only libraries it was compiled with. $SOURCE_DATE_EPOCH is the document's date."""

import datetime
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import uuid

# Their code is compiled into the program; no shared library shows them.
HEADERS_ONLY = ("libboost1.74-dev", "libboost1.83-dev", "nlohmann-json3-dev")


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C.UTF-8"}).stdout


def libraries_of(program):
    """Paths of all shared libraries that the loader maps for the program."""
    return sorted(set(re.findall(r"(/\S+) \(0x", output_of("ldd", program))))


def owner_of(library):
    """The package of a library; files of a merged /usr may be registered below /lib."""
    path = pathlib.Path(library).resolve()
    for candidate in (str(path), str(path).removeprefix("/usr"), library, library.removeprefix("/usr")):
        found = subprocess.run(["dpkg-query", "--search", candidate], capture_output=True, text=True, check=False)
        if found.returncode == 0:
            return found.stdout.split(":")[0].split(",")[0]
    sys.exit(f"sbom.py: no package holds {library}; use a program whose libraries come from packages")


def is_installed(package):
    found = subprocess.run(["dpkg-query", "--show", "--showformat=${db:Status-Status}", package], capture_output=True,
                           text=True, check=False)
    return found.returncode == 0 and found.stdout == "installed"


def component(package, libraries):
    fields = "${Version}\\n${source:Package}\\n${source:Version}\\n${Architecture}\\n"
    version, source, source_version, architecture = output_of(
        "dpkg-query", "--show", f"--showformat={fields}", package).splitlines()[:4]
    name = f"pkg:deb/debian/{package}@{version}?arch={architecture}".replace("+", "%2B")
    return {"type": "library", "bom-ref": name, "name": package, "version": version, "purl": name,
            "properties": [{"name": "source package", "value": f"{source} {source_version}"},
                           {"name": "copyright", "value": f"/usr/share/doc/{package}/copyright"}] +
                          [{"name": "file", "value": library} for library in sorted(libraries)]}


def components_of(program):
    packages = {package: [] for package in HEADERS_ONLY if is_installed(package)}
    for library in libraries_of(program):
        packages.setdefault(owner_of(library), []).append(library)
    return [component(package, libraries) for package, libraries in sorted(packages.items())]


def document(program, version):
    date = datetime.datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), datetime.timezone.utc)
    content = pathlib.Path(program).read_bytes()
    parts = components_of(program)
    name = f"pkg:generic/pretrain@{version}".replace("+", "%2B")
    bom = {"bomFormat": "CycloneDX", "specVersion": "1.4", "version": 1,
           "metadata": {"timestamp": date.strftime("%Y-%m-%dT%H:%M:%SZ"),
                        "component": {"type": "application", "bom-ref": name, "name": "pretrain", "version": version,
                                      "purl": name, "licenses": [{"license": {"id": "Apache-2.0"}}],
                                      "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(content).hexdigest()}]}},
           "components": parts,
           "dependencies": [{"ref": name, "dependsOn": [part["bom-ref"] for part in parts]}]}
    # A name that follows from the content, so that the same program gives the same document.
    bom["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(bom, sort_keys=True))}"
    return bom


def main():
    if len(sys.argv) != 3 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        return 0 if sys.argv[1:] in (["-h"], ["--help"]) else 2
    print(json.dumps(document(sys.argv[1], sys.argv[2]), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
