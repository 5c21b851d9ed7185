#!/usr/bin/env bash
# Builds the debs and the rpms from one staged tree: packaging/build.sh [DIRECTORY], by default dist/.
# There are two of each: streamdns, and streamdns-pulsar, which has the client library of Pulsar for those who need it (a fifth of everything).
# What is fetched is kept in build/packages (PACKAGES_CACHE names another place); where all of it is there, no network is needed.
# The same checkout, cache and SOURCE_DATE_EPOCH give the same files, bit for bit, in whatever directory.
# PACKAGES_XZ=0 to 9 says how hard to compress (7): a package that is only tried out is made sooner with 0.
set -euo pipefail
out=$(realpath -m "${1:-dist}")
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.."
cache=$(realpath -m "${PACKAGES_CACHE:-build/packages}")
level=${PACKAGES_XZ:-7}
# Without a commit to take it from (an unpacked sdist): 2026-01-01.
epoch=$(git log -1 --format=%ct 2>/dev/null || true)
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-${epoch:-1767225600}}
export LC_ALL=C.UTF-8 TZ=UTC PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
umask 022

say() { echo "packages: $*" >&2; }
fail() { say "$*"; exit 1; }
built_with="packages are built on Debian 12 with python3 python3-venv python3-dev gcc libc6-dev patchelf binutils xz-utils dpkg rpm"
for command in /usr/bin/python3.11 gcc patchelf strip xz gzip dpkg dpkg-deb rpmbuild; do
    command -v "$command" >/dev/null || fail "there is no $command: $built_with"
done
for header in stdio.h python3.11/Python.h; do
    [ -e "/usr/include/$header" ] || fail "there is no /usr/include/$header: $built_with"
done
debian_arch=$(dpkg --print-architecture)
case $debian_arch in
    amd64) machine=x86_64 ;;
    arm64) machine=aarch64 ;;
    *) fail "no wheels are known for $debian_arch" ;;
esac
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' streamdns/__init__.py)
release=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
stage=$work/stage
pulsar_stage=$work/pulsar-stage
home=$stage/usr/lib/streamdns
library=$home/lib/python3.11
site=$library/dist-packages
pulsar_site=$pulsar_stage${site#"$stage"}
python=$home/bin/python3.11
share=$stage/usr/share
tools=$cache/tools
wheels=$cache/wheels
locks=packaging/locks
mkdir -p "$home/bin" "$site" "$out" "$wheels" "$cache/runtime"

# -- what is built with: pip, which unpacks wheels, setuptools, which makes ours, Cython and mypyc, which compile modules of it
make_tools() {
    if ! cat "$locks"/{build,compile}.txt | cmp -s - "$tools/made"; then
        say "fetching setuptools, Cython and mypyc"
        /usr/bin/python3.11 -m venv --clear "$tools" >&2 || fail "Python's venv module is not there: apt install python3-venv"
        "$tools/bin/pip" install --quiet --require-hashes -r "$locks/build.txt" -r "$locks/compile.txt" || fail "cannot fetch setuptools, Cython and mypyc"
        cat "$locks"/{build,compile}.txt >"$tools/made"
    fi
}

# -- the runtime: Debian's own build of CPython, which is a third faster than one that is built without its profile
fetch_deb() {
    (cd "$cache/runtime" && apt-get -qq -o APT::Sandbox::User=root download "$1" 2>>"$work/apt.log")
}

unpack_runtime() {
    local packages=(python3.11-minimal libpython3.11-minimal libpython3.11-stdlib libexpat1) package
    for package in "${packages[@]}"; do
        if ! compgen -G "$cache/runtime/${package}_*_$debian_arch.deb" >/dev/null; then
            say "fetching $package"
            fetch_deb "$package" || { apt-get -qq update 2>>"$work/apt.log" && fetch_deb "$package"; } \
                || fail "cannot fetch $package: $(tail -1 "$work/apt.log")"
        fi
        dpkg-deb -x "$cache/runtime/${package}"_*_"$debian_arch".deb "$work/runtime"
    done
    cp "$work/runtime/usr/bin/python3.11" "$python"
    cp -a "$work/runtime/usr/lib/python3.11/." "$library/"
    cp -L "$(find "$work/runtime" -name libexpat.so.1 | head -1)" "$home/lib/libexpat.so.1"
    (
        cd "$library"
        rm -rf sitecustomize.py test idlelib tkinter turtledemo turtle.py lib2to3 ensurepip pydoc_data config-3.11-* dbm sqlite3 curses \
            __phello__* antigravity.py this.py LICENSE.txt EXTERNALLY-MANAGED
        cd lib-dynload
        rm -f _bz2.* _lzma.* _curses* _dbm.* _sqlite3.* _crypt.* _uuid.* nis.* readline.* ossaudiodev.* audioop.* \
            _ctypes_test.* _test* xxlimited* _xxtestfuzz* _codecs_*.so _gdbm* _tkinter*
    )
    # $ORIGIN is found through /proc. Never strip after this: it destroys the file.
    patchelf --set-rpath '$ORIGIN/../lib' "$python"
}

# -- the packages of the Python index, by hash
download_wheels() {
    "$tools/bin/pip" download --quiet --require-hashes --no-deps --only-binary :all: --implementation cp --python-version 3.11 \
        --platform "manylinux_2_28_$machine" --platform "manylinux_2_17_$machine" --platform "manylinux2014_$machine" \
        --dest "$1" -r "$2" || fail "cannot fetch the packages of the Python index"
}

fetch_wheels() {
    local lock fetched=yes
    for lock in runtime source pulsar; do cmp -s "$locks/$lock.txt" "$wheels/$lock.txt" || fetched=; done
    if [ -z "$fetched" ]; then
        say "fetching the packages of the Python index"
        rm -rf "$wheels"
        mkdir -p "$wheels" "$work/pykafka"
        download_wheels "$wheels" "$locks/runtime.txt"
        download_wheels "$wheels/pulsar" "$locks/pulsar.txt"
        "$tools/bin/python" -c 'import pathlib, sys; sys.path.insert(0, "packaging"); import pykafka_wheel
pykafka_wheel.build(pathlib.Path(sys.argv[1]))' "$work/pykafka" || fail "cannot build pykafka"
        mv "$work"/pykafka/*.whl "$wheels/"
        cp "$locks"/{runtime,source,pulsar}.txt "$wheels/"
    fi
}

# pip says that the directory is there already, which it is.
unpack() {
    local target=$1
    shift
    "$tools/bin/pip" install --quiet --no-deps --no-index --no-compile --no-cache-dir --target "$target" "$@" 2> >(grep -v "^WARNING: Target" >&2)
}

install_wheels() {
    fetch_wheels
    unpack "$site" "$wheels"/*.whl
    # What else it wants is in the other package, of the same version.
    unpack "$pulsar_site" "$wheels"/pulsar/pulsar_client-*.whl
    # From a copy: what an earlier build left beside the sources must not come along.
    mkdir "$work/source"
    cp -r setup.py pyproject.toml MANIFEST.in LICENSE requirements*.txt streamdns console "$work/source/"
    find "$work/source" \( -name __pycache__ -o -name '*.so' \) -prune -exec rm -rf {} +
    # Without debugging information, which names the folder: two builds in two folders would differ.
    STREAMDNS_COMPILE=1 CFLAGS='-g0 -D_FORTIFY_SOURCE=2' LDFLAGS='-Wl,-z,relro,-z,now' \
        "$tools/bin/pip" wheel --quiet --no-deps --no-index --no-build-isolation --wheel-dir "$work/own" "$work/source"
    unpack "$site" "$work"/own/*.whl
}

# What nobody needs at run time: tests, sources of compiled modules, other packages' tools; and what pip writes about the installation.
trim_wheels() {
    (
        cd "$1"
        rm -rf bin include share tests setuptools setuptools-*.dist-info _distutils_hack distutils-precedence.pth pkg_resources \
            pip pip-*.dist-info pykafka/cli pykafka/test* pykafka/rdkafka
        # The console shows no source code in colours; a traceback does, of Python.
        [ ! -d pygments ] \
            || find pygments/lexers -name '*.py' ! -name '_mapping.py' ! -name '__init__.py' ! -name 'python.py' ! -name 'special.py' -delete
        find . \( -name '*.pyx' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' -o -name '*.cpp' -o -name '*.hpp' -o -name '*.pyi' -o -name __pycache__ \
            -o -name tests -o -name testing \) -prune -exec rm -rf {} +
        find . \( -name direct_url.json -o -path '*.dist-info/RECORD' -o -name INSTALLER -o -name REQUESTED \) -delete
        # Says the same everywhere: some build tools write their own version into it.
        find . -name WHEEL -path '*.dist-info/*' -delete
    )
    # Library files are no programs.
    find "$1/.." -name '*.py' -exec sed -i '1{/^#!/d}' {} +
    find "$1" -name '*.so*' -type f -exec strip --strip-unneeded {} +
}

entry_points() {
    local command name
    # pykafka takes one function of pkg_resources, which setuptools no longer has.
    install -m644 packaging/files/pkg_resources.py "$site/"
    mkdir -p "$stage/usr/bin"
    for command in streamdns:streamdns.__main__ streamdns-console:streamdns_console.cli; do
        name=${command%%:*}
        printf '#!/usr/lib/streamdns/bin/python3.11 -IB\nimport sys\nfrom %s import main\nsys.exit(main())\n' "${command#*:}" >"$home/bin/$name"
        ln -s "../lib/streamdns/bin/$name" "$stage/usr/bin/$name"
    done
    # The service may write nowhere, so bytecode comes along; what it was made from is not looked at again.
    local tree
    for tree in "$stage" "$pulsar_stage"; do
        "$python" -IB -W ignore -m compileall -q -j1 --invalidation-mode unchecked-hash -s "$tree" "$tree${library#"$stage"}"
    done
}

# -- what is not Python
units() {
    local units=$stage/usr/lib/systemd/system
    install -Dm644 streamdns.service "$units/streamdns.service"
    # Several instances on a host: streamdns@NAME reads /etc/streamdns/NAME.conf and keeps its state in /var/lib/streamdns/NAME.
    sed -e '/^Description=/s/$/ (%i)/' -e 's#/etc/streamdns/streamdns.conf#/etc/streamdns/%i.conf#' \
        -e 's#^\(WorkingDirectory=.*\)#\1/%i#' -e 's#^\(StateDirectory=.*\)#\1/%i#' -e 's#^\(RuntimeDirectory=.*\)#\1-%i#' \
        streamdns.service >"$units/streamdns@.service"
    install -Dm644 packaging/files/streamdns.sysusers "$stage/usr/lib/sysusers.d/streamdns.conf"
    install -Dm644 packaging/files/streamdns.tmpfiles "$stage/usr/lib/tmpfiles.d/streamdns.conf"
    install -dm750 "$stage/etc/streamdns"
    install -m640 packaging/files/streamdns.conf "$stage/etc/streamdns/streamdns.conf"
}

documents() {
    local page completion=("$python" -IB -m streamdns completion)
    install -Dm644 -t "$share/doc/streamdns/examples" packaging/prometheus/rules.yml packaging/grafana/streamdns.json examples/example.org.zone
    "$python" -IB packaging/manpages.py "$work/man"
    for page in "$work"/man/*; do
        mkdir -p "$share/man/man${page##*.}"
        gzip -9nc "$page" >"$share/man/man${page##*.}/$(basename "$page").gz"
    done
    mkdir -p "$share"/{bash-completion/completions,zsh/vendor-completions,fish/vendor_completions.d}
    "${completion[@]}" bash >"$share/bash-completion/completions/streamdns"
    "${completion[@]}" zsh >"$share/zsh/vendor-completions/_streamdns"
    "${completion[@]}" fish >"$share/fish/vendor_completions.d/streamdns.fish"
    # What came from where, so that it can be told which packages have to be built again when one of these gets a fix.
    (cd "$cache/runtime" && sha256sum ./*_"$debian_arch".deb) | sed 's# \./# #' >"$share/doc/streamdns/runtime.sha256"
    "$python" -IB packaging/licences.py LICENSE "$site" "$work/runtime" "$tools"/lib/python3.11/site-packages/mypy-[0-9]*.dist-info >"$share/doc/streamdns/copyright"
    mkdir -p "$pulsar_stage/usr/share/doc/streamdns-pulsar"
    "$python" -IB packaging/licences.py LICENSE "$pulsar_site" >"$pulsar_stage/usr/share/doc/streamdns-pulsar/copyright"
}

same_every_time() {
    find "$1" -type d ! -path "$1/etc/streamdns" -exec chmod 755 {} +
    find "$1" -type f ! -path '*/usr/lib/streamdns/bin/*' ! -path "$1/etc/*" ! -path "$1/DEBIAN/*" -exec chmod 644 {} +
    [ ! -d "$1/usr/lib/streamdns/bin" ] || chmod 755 "$1"/usr/lib/streamdns/bin/*
    find "$1" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
}

# -- the packages
pack_deb() {
    local tree=$work/deb script
    cp -a "$stage" "$tree"
    mkdir -p "$tree/lib/systemd" "$tree/DEBIAN"
    mv "$tree/usr/lib/systemd/system" "$tree/lib/systemd/system"
    rmdir "$tree/usr/lib/systemd"
    for script in preinst postinst prerm postrm; do
        sed "s#@VERSION@#$version-$release#g" "packaging/scripts/deb-$script" >"$tree/DEBIAN/$script"
    done
    chmod 755 "$tree"/DEBIAN/*
    echo /etc/streamdns/streamdns.conf >"$tree/DEBIAN/conffiles"
    close_deb streamdns "$tree"
}

pack_pulsar_deb() {
    local tree=$work/pulsar-deb
    cp -a "$pulsar_stage" "$tree"
    mkdir "$tree/DEBIAN"
    close_deb streamdns-pulsar "$tree"
}

close_deb() {
    local package=$1 tree=$2 file=$1_$version-${release}_$debian_arch.deb
    install -Dm644 "packaging/files/$package.lintian-overrides" "$tree/usr/share/lintian/overrides/$package"
    printf '%s (%s-%s) unstable; urgency=medium\n\n  * Release %s.\n\n -- streamdns contributors <streamdns@example.org>  %s\n' \
        "$package" "$version" "$release" "$version" "$(date -Rd "@$SOURCE_DATE_EPOCH")" \
        | gzip -9n >"$tree/usr/share/doc/$package/changelog.Debian.gz"
    (cd "$tree" && find . -type f ! -path './DEBIAN/*' ! -path './etc/*' -printf '%P\n' | sort | xargs -d '\n' md5sum) >"$tree/DEBIAN/md5sums"
    sed "s#@VERSION@#$version-$release#; s#@ARCH@#$debian_arch#; s#@SIZE@#$(du -sk --apparent-size --exclude=DEBIAN "$tree" | cut -f1)#" \
        "packaging/files/$package.control" >"$tree/DEBIAN/control"
    find "$tree/DEBIAN" -type f ! -perm /100 -exec chmod 644 {} +
    same_every_time "$tree"
    dpkg-deb --root-owner-group --uniform-compression -Zxz "-z$level" --threads-max=1 --build "$tree" "$out/$file" >/dev/null
    say "$out/$file: $(stat -c %s "$out/$file") octets"
}

pack_rpms() {
    local tree=$work/rpm file
    cp -a "$stage" "$tree"
    mv "$tree/usr/share/zsh/vendor-completions" "$tree/usr/share/zsh/site-functions"
    mkdir -p "$tree"/usr/share/licenses/streamdns{,-pulsar}
    mv "$tree/usr/share/doc/streamdns/copyright" "$tree/usr/share/licenses/streamdns/"
    cp -a "$pulsar_stage/usr/lib" "$tree/usr/"
    cp "$pulsar_stage/usr/share/doc/streamdns-pulsar/copyright" "$tree/usr/share/licenses/streamdns-pulsar/"
    same_every_time "$tree"
    rpmbuild -bb --quiet --nodeps --target "$machine" --define "_topdir $work/rpmbuild" --define "_rpmdir $work/rpms" \
        --define "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm" --define "_binary_payload w$level.xzdio" \
        --define "our_version $version" --define "our_release $release" --define "tree $tree" --define "scripts $PWD/packaging/scripts" \
        --define "our_date $(date -d "@$SOURCE_DATE_EPOCH" '+%a %b %d %Y')" packaging/files/streamdns.spec \
        >"$work/rpmbuild.log" 2>&1 || { cat "$work/rpmbuild.log" >&2; fail "rpmbuild failed"; }
    for file in "$work"/rpms/*.rpm; do
        mv "$file" "$out/"
        file=$out/$(basename "$file")
        say "$file: $(stat -c %s "$file") octets"
    done
}

make_tools
unpack_runtime
install_wheels
trim_wheels "$site"
trim_wheels "$pulsar_site"
entry_points
units
documents
same_every_time "$stage"
same_every_time "$pulsar_stage"
if [ -n "${KEEP_STAGE:-}" ]; then
    rm -rf "$KEEP_STAGE"
    cp -a "$stage" "$KEEP_STAGE"
fi
pack_deb &
deb=$!
pack_pulsar_deb
pack_rpms
wait "$deb"
