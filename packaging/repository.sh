#!/usr/bin/env bash
# Lays the packages of a directory out as repositories of apt and dnf: packaging/repository.sh KEY [PACKAGES [DIRECTORY]].
# KEY is a secret key that gpg has (GNUPGHOME), as its --local-user names it; PACKAGES is dist/ and DIRECTORY dist/repository
# unless given. Copy DIRECTORY to a web server, and give its streamdns.asc to those who install from there.
set -euo pipefail
key=${1:?the signing key: make repo KEY=packages@example.org}
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.."
packages=$(realpath -m "${2:-dist}")
out=$(realpath -m "${3:-$packages/repository}")
export LC_ALL=C.UTF-8 TZ=UTC

fail() { echo "repository: $*" >&2; exit 1; }
for command in gpg apt-ftparchive createrepo_c; do
    command -v "$command" >/dev/null || fail "there is no $command (Debian: gnupg apt-utils createrepo-c)"
done
compgen -G "$packages/*.deb" >/dev/null || fail "there are no packages in $packages: make packages"
gpg --batch --list-secret-keys "$key" >/dev/null 2>&1 || fail "gpg has no secret key $key"
sign=(gpg --batch --yes --quiet --local-user "$key")

# apt: /etc/apt/sources.list.d/streamdns.sources with URIs: .../deb, Suites: stable, Components: main, Signed-By: the key
mkdir -p "$out/deb/pool/main"
cp -u "$packages"/*.deb "$out/deb/pool/main/"
(
    cd "$out/deb"
    for arch in amd64 arm64; do
        index=dists/stable/main/binary-$arch
        mkdir -p "$index"
        apt-ftparchive --arch "$arch" packages pool/main >"$index/Packages"
        gzip -9nkf "$index/Packages"
    done
    rm -f dists/stable/{Release,Release.gpg,InRelease}
    apt-ftparchive -o APT::FTPArchive::Release::Origin=streamdns -o APT::FTPArchive::Release::Label=streamdns \
        -o APT::FTPArchive::Release::Suite=stable -o APT::FTPArchive::Release::Codename=stable \
        -o "APT::FTPArchive::Release::Architectures=amd64 arm64" -o APT::FTPArchive::Release::Components=main \
        release dists/stable >"$packages/Release.new"
    mv "$packages/Release.new" dists/stable/Release
    "${sign[@]}" --clearsign --output dists/stable/InRelease dists/stable/Release
    "${sign[@]}" --armor --detach-sign --output dists/stable/Release.gpg dists/stable/Release
)

# dnf: /etc/yum.repos.d/streamdns.repo with baseurl=.../rpm, repo_gpgcheck=1, gpgcheck=0: the list of packages is signed, and has their digests
mkdir -p "$out/rpm"
cp -u "$packages"/*.rpm "$out/rpm/"
createrepo_c --quiet --update "$out/rpm"
"${sign[@]}" --armor --detach-sign --output "$out/rpm/repodata/repomd.xml.asc" "$out/rpm/repodata/repomd.xml"

gpg --batch --armor --export "$key" >"$out/streamdns.asc"
# For those who fetch a file by hand.
(cd "$packages" && sha256sum -- *.deb *.rpm >"$out/SHA256SUMS")
"${sign[@]}" --armor --detach-sign --output "$out/SHA256SUMS.asc" "$out/SHA256SUMS"
echo "repository: $out" >&2
