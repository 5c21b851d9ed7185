#!/usr/bin/env bash
# Writes what a package consists of, in CycloneDX: packaging/sbom.sh [PACKAGES], by default dist/, a file beside each deb there.
# That of streamdns-pulsar is of both packages, as they lie on a machine together.
# Python's packages are listed by CycloneDX's own tool as the packaged Python finds them, the runtime from the package's own list of it.
set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.."
packages=$(realpath -m "${1:-dist}")
cache=$(realpath -m "${PACKAGES_CACHE:-build/packages}")
tools=$cache/sbom
lock=packaging/locks/sbom.txt
export LC_ALL=C.UTF-8 TZ=UTC PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PYTHONNOUSERSITE=1 PYTHONDONTWRITEBYTECODE=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "sbom: $*" >&2; exit 1; }
compgen -G "$packages/streamdns_*.deb" >/dev/null || fail "there are no packages in $packages: make packages"
if ! cmp -s "$lock" "$tools/made"; then
    /usr/bin/python3.11 -m venv --clear "$tools" >&2 || fail "Python's venv module is not there: apt install python3-venv"
    "$tools/bin/pip" install --quiet --require-hashes --only-binary :all: -r "$lock" || fail "cannot fetch the tool"
    cp "$lock" "$tools/made"
fi
for deb in "$packages"/streamdns*.deb; do
    rm -rf "$work/tree"
    dpkg-deb -x "${deb/streamdns-pulsar_/streamdns_}" "$work/tree"
    dpkg-deb -x "$deb" "$work/tree"
    # The same package gives the same list: its time is the package's.
    epoch=$(stat -c %Y "$work/tree/usr/lib/streamdns")
    SOURCE_DATE_EPOCH=$epoch "$tools/bin/cyclonedx-py" environment --output-reproducible --validate --output-format JSON \
        --output-file "$work/python.json" "$work/tree/usr/lib/streamdns/bin/python3.11"
    "$tools/bin/python" packaging/sbom.py "$work/python.json" "$work/tree/usr/share/doc/streamdns/runtime.sha256" >"${deb%.deb}.cdx.json"
    echo "sbom: ${deb%.deb}.cdx.json" >&2
done
