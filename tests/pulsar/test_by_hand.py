"""`make run-pulsar` as somebody at a terminal meets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness import free_port, require_tools, wait_until
from tests.harness.foreground import Foreground, dig, shell
from tests.harness.kafka_topics import DEADLINE_S
from tests.harness.pulsar import missing

pytestmark = pytest.mark.pulsar


def test_make_run_pulsar_answers_changes_and_ends(tmp_path: Path) -> None:
    """The printed dig answers from the topic, the printed publish changes that answer, Ctrl-C ends it all."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    require_tools("dig")
    settings = {name: f"127.0.0.1:{free_port()}" for name in ("DNS_ADDRESS", "DNS_ADMIN_ADDRESS")}
    with Foreground(tmp_path, "run-pulsar", **settings, TMPDIR=str(tmp_path)) as make:
        query = make.printed(r"^ +dig .*$", timeout_s=2 * DEADLINE_S)
        publish = make.printed(r"^ +.*streamdns publish .*$")
        wait_until(lambda: dig(query) == {"192.0.2.7"}, "the example zone is answered", timeout_s=DEADLINE_S)
        assert "topic persistent://public/default/zones" in shell(publish)
        wait_until(lambda: dig(query) == {"192.0.2.99"}, "the published address is answered", timeout_s=DEADLINE_S)
        make.interrupt(within_s=10)
        assert "app.stopped" in make.written()
    assert not list(tmp_path.glob("pulsar-*")), "nothing stays"
