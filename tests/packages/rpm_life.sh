# The life of the rpm, by rpm and by dnf, on a bare Debian's programs with an empty database of rpm: run as root by
# tests/packages/test_life.py in namespaces of its own. rpm_life.sh TREE FOLDER LATER: FOLDER has first.rpm, second.rpm
# and second-pulsar.rpm (the later version), base.rpm, which says what the tree provides, and repository/.
set -eu
export LC_ALL=C.UTF-8 TERM=dumb
tree=$1 folder=$2 later=$3
root=$folder/root
count=0

ok() { count=$((count + 1)); echo "ok $count $*"; }
fail() { echo "failed: $*"; exit 1; }
must() { "$@" >"$folder/out" 2>&1 || { cat "$folder/out"; fail "$*"; }; }
in_root() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ LC_ALL=C.UTF-8 "$@"; }
conf=$root/etc/streamdns/streamdns.conf

mount --make-rprivate /
mkdir -p "$folder/changes" "$root"
mount -t tmpfs changes "$folder/changes"
mkdir "$folder/changes/upper" "$folder/changes/work"
mount -t overlay tree -o "lowerdir=$tree,upperdir=$folder/changes/upper,workdir=$folder/changes/work" "$root"
mount -t proc proc "$root/proc"
ip link set lo up
rpm="rpm --root $root"
$rpm --initdb

if $rpm -U "$folder/first.rpm" >"$folder/out" 2>&1; then fail "installed without what it needs"; fi
grep -q 'libssl.so.3.* is needed by streamdns' "$folder/out" || { cat "$folder/out"; fail "another reason"; }
must $rpm -U --justdb --nodeps "$folder/base.rpm"
must $rpm -U "$folder/first.rpm"
must $rpm -V streamdns
in_root id streamdns >/dev/null || fail "no user"
[ "$(in_root stat -c '%U:%G %a' /etc/streamdns /etc/streamdns/streamdns.conf /var/lib/streamdns | tr '\n' ' ')" = \
  "root:streamdns 750 root:streamdns 640 streamdns:streamdns 750 " ] || fail "modes"
ok "rpm refuses it where something is missing, and installs it where nothing is"

in_root streamdns import --env-file /etc/streamdns/streamdns.conf --origin example.org /usr/share/doc/streamdns/examples/example.org.zone >/dev/null
# By exec, so that what is killed below is the server.
(exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ LC_ALL=C.UTF-8 \
    setpriv --reuid streamdns --regid streamdns --init-groups --inh-caps=-all,+net_bind_service --ambient-caps=-all,+net_bind_service \
    --bounding-set=-all,+net_bind_service --no-new-privs streamdns run --env-file /etc/streamdns/streamdns.conf >"$folder/log" 2>&1) &
server=$!
tries=0
until [ "$(in_root dig +short +tries=1 +time=2 @127.0.0.1 www.example.org A)" = 192.0.2.7 ]; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || { cat "$folder/log"; fail "no answer"; }
    sleep 0.1
done
in_root streamdns-console --once >/dev/null || fail "the console"
kill "$server"
wait "$server" || fail "it did not end well"
ok "it answers, as its own user with one capability"

echo DNS_DEFAULT_TTL=77 >>"$conf"
must $rpm -U "$folder/second.rpm"
grep -q DNS_DEFAULT_TTL=77 "$conf" || fail "the upgrade changed the settings"
in_root streamdns version | grep -q "$later" || fail "the old version is there"
if $rpm -U "$folder/first.rpm" >"$folder/out" 2>&1; then fail "went back"; fi
grep -q 'newer than' "$folder/out" || { cat "$folder/out"; fail "another reason"; }
ok "upgraded with changed settings, and no way back"

must $rpm -U "$folder/second-pulsar.rpm"
must $rpm -V streamdns-pulsar
in_root /usr/lib/streamdns/bin/python3.11 -IB -c 'import pulsar' || fail "the client of Pulsar"
if $rpm -e streamdns >"$folder/out" 2>&1; then fail "erased although streamdns-pulsar needs it"; fi
must $rpm -e streamdns-pulsar
ok "the client of Pulsar is a package of its own"

must $rpm -e streamdns
[ -e "$conf.rpmsave" ] || fail "the changed settings are gone"
[ -e "$root/var/lib/streamdns/log.jsonl" ] || fail "the data are gone"
[ ! -e "$root/usr/lib/streamdns" ] || fail "something is left in /usr/lib/streamdns: $(find "$root/usr/lib/streamdns" | head -3)"
ok "erased; changed settings and data are kept"

# dnf takes the first version from a repository, then the second.
dnf() {
    command dnf -q -y --installroot="$root" --releasever=1 --setopt=reposdir=/nowhere --setopt=gpgcheck=0 --repofrompath="local,file://$folder/repository" \
        --repo=local --setopt=cachedir="$folder/cache" --setopt=metadata_expire=0 "$@"
}
rm -rf "$root/etc/streamdns"
mkdir -p "$folder/repository"
cp "$folder/first.rpm" "$folder/repository/"
createrepo_c -q "$folder/repository"
must dnf install streamdns
in_root streamdns version >/dev/null || fail "dnf installed nothing"
echo DNS_DEFAULT_TTL=77 >>"$conf"
cp "$folder/second.rpm" "$folder/repository/"
createrepo_c -q "$folder/repository"
must dnf upgrade
in_root streamdns version | grep -q "$later" || fail "dnf did not upgrade"
grep -q DNS_DEFAULT_TTL=77 "$conf" || fail "dnf's upgrade changed the settings"
must dnf remove streamdns
[ ! -e "$root/usr/bin/streamdns" ] || fail "dnf removed nothing"
ok "the same by dnf from a repository"
echo "$count steps"
