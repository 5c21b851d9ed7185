"""Runs a Kafka broker to try things by hand: `make kafka` with a ready topic, `make run-kafka` with streamdns, too.

`python -m tests.harness.kafka_manual [--run] [VERSION]`. Ctrl-C ends what it started and removes what it wrote.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable

from tests.harness.background import Background
from tests.harness.java import JavaBroker, not_installed
from tests.harness.kafka import LISTENERS, PASSWORD, USER, VERSIONS, Broker
from tests.harness.kafka_topics import Topic
from tests.harness.process import ROOT, end, spawn

_TOPIC, _PARTITIONS = "zones", 4
_CONFIG = {"cleanup.policy": "compact", "delete.retention.ms": str(14 * 86_400_000)}
_STREAMDNS = ".venv/bin/streamdns"
#: A broker that was killed is away for so long.
_AWAY_S = 5.0
_LOOK_S = 0.2


def main() -> int:
    words = argparse.ArgumentParser(prog="python -m tests.harness.kafka_manual", description=__doc__)
    words.add_argument("--run", action="store_true", help="run streamdns with the example zone in the topic")
    words.add_argument("version", nargs="?", default=VERSIONS[-1], choices=VERSIONS)
    given = words.parse_args()
    return by_hand("kafka", f"Kafka {given.version}", 50, lambda folder: _hand(folder, given.version, run=given.run))


def by_hand(name: str, what: str, size_mb: int, hand: Callable[[pathlib.Path], int]) -> int:
    """Do something in a folder that goes with it, until Ctrl-C; says first what is started."""
    absent = not_installed()
    if absent:
        print(f"{absent}; on Debian: apt install default-jre-headless maven openssl", file=sys.stderr)
        return 1
    # `kill` ends it like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"starting {what}; the first time Maven fetches it ({size_mb} MB)", flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix=f"{name}-") as folder:
            return hand(pathlib.Path(folder))
    except KeyboardInterrupt:
        return 0


class _Kept(Background):
    """Starts a broker again some seconds after it was killed, unless it cannot start any more; a context manager."""

    def __init__(self, broker: JavaBroker) -> None:
        super().__init__()
        self._broker = broker

    def wait(self) -> None:
        """Return when it is not kept any more."""
        self._thread.join()

    def _run(self) -> None:
        while True:
            process = self._broker.process
            assert process is not None
            while process.poll() is None:
                if self._stop.wait(_LOOK_S):
                    return
            print(f"\nthe broker has ended ({process.returncode}); it is started again in {_AWAY_S:g} s", flush=True)
            if self._stop.wait(_AWAY_S):
                return
            try:
                self._broker.start()
            except AssertionError as error:
                print(error, file=sys.stderr, flush=True)
                return
            print(f"\nthe broker is there again, {_how_to_kill(self._broker)}\n", flush=True)


def _how_to_kill(broker: JavaBroker) -> str:
    assert broker.process is not None
    return f"and goes away for {_AWAY_S:g} s with: kill -9 {broker.process.pid}"


def _hand(folder: pathlib.Path, version: str, *, run: bool) -> int:
    with Broker(folder / "broker", version) as broker:
        Topic(broker, name=_TOPIC, partitions=_PARTITIONS, config=_CONFIG)
        settings = {"DNS_SOURCE": "kafka", "DNS_KAFKA_ADDRESS": broker.address(), "DNS_KAFKA_TOPICS": _TOPIC}
        if run:
            return run_node(settings, view=folder / "view", broker=broker)
        listening = "\n".join(
            f"  {name:8} {broker.address(name):17} {kind}{' with a client certificate' if certificate else ''}"
            for name, (kind, certificate) in LISTENERS.items() if name in broker.ports and name != "CONTROLLER"
        )
        print(_TEXT.format(
            version=version, topic=_TOPIC, partitions=_PARTITIONS, address=broker.address(), streamdns=_STREAMDNS,
            settings=" ".join(f"{name}={value}" for name, value in settings.items()), listening=listening,
            user=USER, password=PASSWORD, files=broker.folder, kill=_how_to_kill(broker),
        ), flush=True)
        with _Kept(broker) as kept:
            kept.wait()
        return 1


def run_node(settings: dict[str, str], *, view: pathlib.Path, broker: JavaBroker) -> int:
    """Fill the topic, and run streamdns until it ends, as examples/run.sh does."""
    env = {"DNS_PATHDB": str(view), **os.environ, **settings}
    fill = [_STREAMDNS, "import", "examples/example.org.zone", "--origin", "example.org."]
    if subprocess.run(fill, cwd=ROOT, env=env, check=False).returncode:
        return 1
    # In a process group of its own: what ends it is this process, once, whether Ctrl-C or `kill` ended this one.
    words = f"The broker is there, {_how_to_kill(broker)}\n{_END}"
    process = spawn(["sh", "examples/run.sh", words], env=env, output=sys.stdout.buffer, own_group=True)
    try:
        with _Kept(broker):
            return process.wait()
    finally:
        end(process)


_END = "Ctrl-C ends streamdns and the broker, and what they have written goes with them."
_TEXT = """
Kafka {version} is there, with the compacted topic {topic} ({partitions} partitions):

{listening}

  user {user}, password "{password}"; certificates (ca.pem, client.crt, client.key) are in {files}

Try in another terminal, from this directory:

  {settings} {streamdns} publish www.example.org A 192.0.2.1

  {settings} {streamdns} run

  kcat -b {address} -t {topic} -C -e -f '%p %o %k %s\\n'

The broker is there, {kill}
Ctrl-C ends the broker, and its topics go with it."""


if __name__ == "__main__":
    sys.exit(main())
