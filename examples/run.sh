#!/bin/sh
# Starts streamdns from the checkout with an example zone in ./var; `make run` calls it. Settings in the environment win.
# With Kafka or Pulsar the zone is in the topic already: `make run-kafka` and `make run-pulsar` see to that. $1 is what to say about the end.
set -eu
cd "$(dirname "$0")/.."
streamdns=.venv/bin/streamdns
# What `make compiled` made goes before the sources, as long as these are the same.
if .venv/bin/python packaging/compiled.py --fits; then export PYTHONPATH="$PWD/build/compiled"; fi

export DNS_SOURCE="${DNS_SOURCE:-file}"
export DNS_FILE_LOG="${DNS_FILE_LOG:-./var/log.jsonl}"
export DNS_PATHDB="${DNS_PATHDB:-./var/view}"
export LOG_FORMAT="${LOG_FORMAT:-plain}"

# host:port of the first address that is listened on; all addresses are reached by the loopback one
first="${DNS_ADDRESS:-127.0.0.1:8053}"
first="${first%%[ ,]*}"
port="${first##*:}"
host="${first%:*}"
host="${host#[}"
host="${host%]}"
case "$host" in ''|'*'|0.0.0.0|::) host=127.0.0.1 ;; esac

# The console asks 127.0.0.1:8054 unless it is told.
console="${DNS_ADMIN_ADDRESS:-}"

if [ "$DNS_SOURCE" = file ]; then
    mkdir -p "$(dirname "$DNS_FILE_LOG")"
    if [ -z "$(find "$DNS_FILE_LOG" -type f -size +0c 2>/dev/null)" ]; then
        "$streamdns" import examples/example.org.zone --origin example.org.
    fi
    publish="DNS_FILE_LOG=$DNS_FILE_LOG $streamdns publish"
elif [ "$DNS_SOURCE" = pulsar ]; then
    publish="DNS_PULSAR_ADDRESS=${DNS_PULSAR_ADDRESS:-} DNS_PULSAR_TOPIC=${DNS_PULSAR_TOPIC:-} $streamdns publish"
else
    publish="DNS_SOURCE=$DNS_SOURCE DNS_KAFKA_ADDRESS=${DNS_KAFKA_ADDRESS:-} DNS_KAFKA_TOPICS=${DNS_KAFKA_TOPICS:-}"
    publish="$publish $streamdns publish"
fi

cat <<TEXT

Try in another terminal, from this directory:

  dig @$host -p $port www.example.org A

  $publish www.example.org A 192.0.2.99

and the same dig again: the answer has changed. Watch it live:

  .venv/bin/streamdns-console${console:+ $console}

or ask: curl http://${DNS_ADMIN_ADDRESS:-127.0.0.1:8054}/v1/status
${1:-Ctrl-C ends streamdns; make run starts it again where it was.}

TEXT
exec "$streamdns" run
