# The life of the deb on a bare Debian without a network: run as root by tests/packages/test_life.py, in a container.
# /share has first.deb, second.deb and second-pulsar.deb (of a later version), asker.py and example.org.zone. Ends with a status other than 0 at the first thing that is wrong.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 TERM=dumb
conf=/etc/streamdns/streamdns.conf
python=/usr/lib/streamdns/bin/python3.11
count=0

ok() { count=$((count + 1)); echo "ok $count $*"; }
fail() {
    echo "failed: $*"
    systemctl status --no-pager --lines=0 streamdns || true
    journalctl -q --no-pager -u streamdns --lines=60 || true
    exit 1
}
must() { "$@" >/tmp/out 2>&1 || { cat /tmp/out; fail "$*"; }; }
until_true() {
    local tries=0
    while ! eval "$1" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 600 ] || fail "after 60 s still not: $1"
        sleep 0.1
    done
}
show() { systemctl show -p "$1" --value streamdns; }
answers() { [ "$(dig +short +tries=1 +time=2 "$@" @127.0.0.1 www.example.org A)" = 192.0.2.7 ]; }

[ ! -e /usr/bin/python3 ] || fail "this is no bare Debian"
ip link set lo up
cp /share/*.deb /tmp/
must apt-get -qq install -y /tmp/first.deb
ok "installed without a network and without Python"

[ "$(systemctl is-active streamdns)" = inactive ] || fail "started by the installation"
[ "$(systemctl is-enabled streamdns)" = enabled ] || fail "not enabled"
[ "$(stat -c '%U:%G %a' /etc/streamdns $conf | tr '\n' ' ')" = "root:streamdns 750 root:streamdns 640 " ] || fail "modes of /etc/streamdns"
ok "enabled and not started; the settings are for root and the service only"

must systemctl start streamdns
[ "$(show SubState)" = running ] || fail "not running"
[ "$(stat -c '%U:%G %a' /var/lib/streamdns)" = "streamdns:streamdns 750" ] || fail "modes of /var/lib/streamdns"
case "$(show StatusText)" in following*) ;; *) until_true '[ "$(show StatusText | cut -c1-9)" = following ]' ;; esac
ok "started, with: $(show StatusText)"

# What listens on an address that is not of this machine alone.
open=$(ss -Hlntu | awk '{print $5}' | grep -vE '^(127\.|\[::1\])' || true)
[ -z "$open" ] || fail "answers others: $open"
[ "$(dig +tries=1 @127.0.0.1 www.example.net A +norec | grep -o 'status: [A-Z]*')" = "status: REFUSED" ] || true
ok "reachable from this machine alone"

pid=$(show MainPID)
grep -q '^CapEff:.0*400$' /proc/$pid/status || fail "capabilities: $(grep CapEff /proc/$pid/status)"
grep -q '^Seccomp:.2' /proc/$pid/status || fail "no filter of system calls"
# A container may not lower what is set, so it is asked what would be.
[ "$(show OOMScoreAdjust)" = -500 ] || fail "OOMScoreAdjust: $(show OOMScoreAdjust)"
[ "$(show NFileDescriptorStore)" = 5 ] || fail "descriptors that systemd keeps: $(show NFileDescriptorStore)"
must systemd-analyze security --no-pager --threshold=15 streamdns
ok "only CAP_NET_BIND_SERVICE, a filter, and exposure $(systemd-analyze security --no-pager streamdns | tail -1 | grep -oE '[0-9.]+ [A-Z]+')"

must streamdns import --env-file $conf --origin example.org /share/example.org.zone
[ "$(stat -c %U /var/lib/streamdns/log.jsonl)" = streamdns ] || fail "root's import left a file of root's"
until_true answers
answers +tcp || fail "no answer over TCP"
curl -sf http://127.0.0.1:8054/ready >/dev/null || fail "/ready"
streamdns-console --once >/tmp/console 2>&1 || { cat /tmp/console; fail "streamdns-console --once"; }
grep -qE 'data +1 +zone' /tmp/console || { cat /tmp/console; fail "the console does not show the zone"; }
ok "dig, dig +tcp, curl and streamdns-console --once"

echo 'DNS_DEFAULT_TTL=77' >>$conf
must systemctl reload streamdns
until_true 'journalctl -q --no-pager -u streamdns | grep -q "app.reloaded.*DNS_DEFAULT_TTL"'
[ "$(show MainPID)" = "$pid" ] || fail "another process after a reload"
ok "a changed setting is taken over by a reload"

echo 'DNS_DEFAULT_TTL=-1' >>$conf
if systemctl reload streamdns 2>/dev/null; then fail "a broken configuration was taken"; fi
journalctl -q --no-pager -u streamdns | grep -q 'DNS_DEFAULT_TTL=-1 is not a whole number' || fail "no sentence about the setting"
[ "$(show MainPID)" = "$pid" ] || fail "another process after a refused reload"
answers || fail "no answer after a refused reload"
sed -i '/DNS_DEFAULT_TTL=-1/d' $conf
ok "a broken configuration is refused, and the old one serves on"

# Under load: restarts and the upgrade lose nothing. The asker goes on until it is told, and asks at least 3,000 times by each way.
$python -IB /share/asker.py /tmp/enough 3000 >/tmp/asked 2>&1 &
asker=$!
sleep 1
must systemctl restart streamdns
[ "$(show MainPID)" != "$pid" ] || fail "the same process after a restart"
must apt-get -qq install -y /tmp/second.deb
[ "$(dpkg-query -W -f '${Version}' streamdns)" = "$1-1" ] || fail "the other version is not installed"
touch /tmp/enough
wait $asker || { cat /tmp/asked; fail "queries were lost"; }
grep -q "$1" <<<"$(curl -s http://127.0.0.1:8054/v1/status)" || fail "the old version runs on"
grep -q '^DNS_DEFAULT_TTL=77' $conf || fail "the upgrade changed the settings"
[ ! -e $conf.dpkg-dist ] && [ ! -e $conf.dpkg-new ] || fail "the upgrade left a file beside the settings"
ok "restart and upgrade under load: $(cat /tmp/asked)"

if apt-get -qq install -y --allow-downgrades /tmp/first.deb >/tmp/out 2>&1; then fail "a downgrade was done"; fi
grep -q 'streamdns does not go back' /tmp/out || { cat /tmp/out; fail "no sentence about the downgrade"; }
answers || fail "no answer after a refused downgrade"
dpkg --audit | grep -q . && fail "the refused downgrade left something half done"
ok "a downgrade is refused with a sentence"

pid=$(show MainPID)
kill -9 "$pid"
until_true '[ "$(show MainPID)" != 0 ] && [ "$(show MainPID)" != '"$pid"' ] && answers'
ok "after kill -9 it is there again"

printf 'DNS_WORKERS=2\nDNS_WORKER_CPUS=0\n' >>$conf
must systemctl restart streamdns
status() { curl -sf http://127.0.0.1:8054/v1/status; }
both_answer() { [ "$(status | grep -o '"state":"answering"' | wc -l)" = 2 ]; }
worker() { status | grep -oE '"number":1,"pid":[0-9]+' | grep -oE '[0-9]+$'; }
until_true both_answer
for _ in $(seq 20); do answers && answers +tcp || fail "a worker does not answer"; done
[ "$(show NFileDescriptorStore)" = 9 ] || fail "descriptors that systemd keeps of two workers: $(show NFileDescriptorStore)"
pid=$(worker)
grep -q '^Seccomp:.2' /proc/$pid/status || fail "a worker has no filter of system calls"
grep -qE '^Cpus_allowed_list:.0$' /proc/$pid/status || fail "a worker runs on $(grep Cpus_allowed_list /proc/$pid/status)"
kill -9 "$pid"
until_true '[ "$(worker)" != "" ] && [ "$(worker)" != '"$pid"' ] && both_answer'
for _ in $(seq 20); do answers || fail "no answer after a worker was killed"; done
journalctl -q --no-pager -u streamdns | grep -E 'workers\.(cpu_missing|start_failed)' && fail "workers meet the limits of the unit"
sed -i '/DNS_WORKERS=2/d; /DNS_WORKER_CPUS=0/d' $conf
must systemctl restart streamdns
until_true answers
ok "two workers within the limits of the unit, bound to a CPU; one that is killed is replaced"

mkdir -p /run/systemd/system/streamdns.service.d
printf '[Service]\nWatchdogSec=2\n' >/run/systemd/system/streamdns.service.d/watchdog.conf
systemctl daemon-reload
must systemctl restart streamdns
pid=$(show MainPID)
kill -STOP "$pid"
until_true '[ "$(show MainPID)" != 0 ] && [ "$(show MainPID)" != '"$pid"' ] && answers'
journalctl -q --no-pager -u streamdns | grep -qi 'watchdog timeout' || fail "it was not the watchdog"
rm -r /run/systemd/system/streamdns.service.d
systemctl daemon-reload
ok "a process that hangs is ended by the watchdog and started anew"

printf 'DNS_DEFAULT_TTL=-1\nDNS_ZONES=a..b\n' >>$conf
if systemctl restart streamdns 2>/dev/null; then fail "started with a broken configuration"; fi
[ "$(show ExecMainStatus)" = 78 ] || fail "status $(show ExecMainStatus)"
[ "$(systemctl is-failed streamdns)" = failed ] || fail "it is tried again and again"
shown=$(systemctl status --no-pager --lines=40 streamdns || true)
for name in DNS_DEFAULT_TTL=-1 DNS_ZONES; do grep -q "$name" <<<"$shown" || fail "$name is not in: $shown"; done
sed -i '/DNS_DEFAULT_TTL=-1/d; /DNS_ZONES/d' $conf
systemctl reset-failed streamdns
must systemctl start streamdns
ok "wrong settings: status 78, and systemctl status names all of them"

sed -e 's/127.0.0.1:53 \[::1\]:53/127.0.0.3:53/' -e 's#/var/lib/streamdns/#/var/lib/streamdns/two/#' $conf >/etc/streamdns/two.conf
echo 'DNS_ADMIN_ADDRESS=unix:/run/streamdns-two/admin.sock' >>/etc/streamdns/two.conf
chgrp streamdns /etc/streamdns/two.conf
must systemctl start streamdns@two
curl -sf --unix-socket /run/streamdns-two/admin.sock http://localhost/health >/dev/null || fail "the second instance"
must systemctl stop streamdns@two
ok "a second instance beside it"

printf 'DNS_SOURCE=pulsar\nDNS_PULSAR_ADDRESS=pulsar://127.0.0.1:1\nDNS_PULSAR_TOPIC=persistent://public/default/zones\n' >>/etc/streamdns/two.conf
if systemctl start streamdns@two 2>/dev/null; then fail "started without the client of Pulsar"; fi
journalctl -q --no-pager -u streamdns@two | grep -q 'the package streamdns-pulsar' || fail "no sentence about the client of Pulsar"
must apt-get -qq install -y /tmp/second-pulsar.deb
systemctl reset-failed streamdns@two
must systemctl start streamdns@two
until_true 'journalctl -q --no-pager -u streamdns@two | grep -q "127.0.0.1:1.*connection refused"'
must systemctl stop streamdns@two
must apt-get -qq purge -y streamdns-pulsar
rm /etc/streamdns/two.conf
answers || fail "no answer after streamdns-pulsar was removed"
ok "the client of Pulsar comes as a package of its own, and works as the service"

must apt-get -qq remove -y streamdns
[ -e /var/lib/streamdns/log.jsonl ] || fail "remove took the data"
[ -e $conf ] || fail "remove took the settings"
if pgrep -u streamdns >/dev/null; then fail "a process is left"; fi
must apt-get -qq install -y /tmp/second.deb
must systemctl start streamdns
until_true answers
ok "removed, and installed again with its data"

must apt-get -qq purge -y streamdns
for left in /etc/streamdns /var/lib/streamdns /usr/lib/streamdns /run/streamdns /lib/systemd/system/streamdns.service /usr/bin/streamdns; do
    [ ! -e "$left" ] || fail "purge left $left"
done
[ -z "$(find /etc/systemd /var/lib/systemd -name '*streamdns*')" ] || fail "purge left links: $(find /etc/systemd /var/lib/systemd -name '*streamdns*')"
ok "purge leaves nothing"
echo "$count steps"
