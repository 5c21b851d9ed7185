"""Processes that end while Pulsar's library works in threads of its own."""

from __future__ import annotations

import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.harness.node import changes, foundation
from tests.harness.process import ROOT, clean_environment
from tests.harness.pulsar import Broker
from tests.harness.pulsar_topics import Topic

pytestmark = [pytest.mark.pulsar, pytest.mark.timeout(600)]
ENDS = 24
#: `streamdns` with another command of its own: connect over and over, and be stopped after argv[1] seconds.
CONNECTS = """
from gevent import monkey; monkey.patch_all()
import sys, gevent, streamdns.__main__
from streamdns.settings import from_process
from streamdns.sources.pulsar.config import from_settings
from streamdns.sources.pulsar.source import PulsarSource

def run():
    source = PulsarSource(from_settings(from_process()))

    def over_and_over():
        while True:
            source.connect({}, {})
            gevent.sleep(0.005)

    connecting = gevent.spawn(over_and_over)
    connecting.join(timeout=float(sys.argv[1]))
    connecting.kill()
    return 0

streamdns.__main__.run = run
streamdns.__main__.main()
"""


def test_a_process_may_end_at_any_moment_of_its_connecting(broker: Broker, tmp_path: object) -> None:
    """Its exit code is the command's, though threads come back from the library when the interpreter is gone."""
    topic = Topic(broker, partitions=2)
    topic.produce([*foundation(partitions=2), *changes(100, partitions=2, seed=1)])
    environment = clean_environment(topic.settings() | {"DNS_PATHDB": f"{tmp_path}/view"})
    chance = random.Random(7)

    def ended(after_s: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-c", CONNECTS, str(after_s)], env=environment, cwd=ROOT,
                              capture_output=True, text=True, timeout=60, check=False)

    with ThreadPoolExecutor(4) as several:
        for done in several.map(ended, [0.05 + chance.random() * 0.1 for _ in range(ENDS)]):
            assert (done.returncode, done.stderr) == (0, ""), done
