"""`make kafka` and `make run-kafka` as somebody at a terminal meets them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.harness import free_port, require_tools, wait_until
from tests.harness.foreground import Foreground, dig, shell
from tests.harness.kafka import missing
from tests.harness.kafka_topics import DEADLINE_S

pytestmark = pytest.mark.kafka


@pytest.fixture(autouse=True)
def _brokers_run_here() -> None:
    reason = missing()
    if reason:
        pytest.skip(reason)


def test_make_run_kafka_answers_changes_and_ends(tmp_path: Path) -> None:
    """The printed dig answers from the topic, the printed publish changes that answer, Ctrl-C ends it all."""
    require_tools("dig")
    settings = {name: f"127.0.0.1:{free_port()}" for name in ("DNS_ADDRESS", "DNS_ADMIN_ADDRESS")}
    with Foreground(tmp_path, "run-kafka", **settings, TMPDIR=str(tmp_path)) as make:
        query = make.printed(r"^ +dig .*$", timeout_s=DEADLINE_S)
        publish = make.printed(r"^ +.*streamdns publish .*$")
        wait_until(lambda: dig(query) == {"192.0.2.7"}, "the example zone is answered", timeout_s=DEADLINE_S)
        assert "topic zones" in shell(publish)
        wait_until(lambda: dig(query) == {"192.0.2.99"}, "the published address is answered", timeout_s=DEADLINE_S)
        make.interrupt(within_s=10)
        assert "app.stopped" in make.written()
        # Warnings of libraries would mean nothing to a newcomer.
        assert ".py:" not in make.written()
    assert not list(tmp_path.glob("kafka-*")), "nothing stays"


def test_make_kafka_has_a_topic_and_ends(tmp_path: Path) -> None:
    """The printed publish writes to the topic, the printed kcat finds it there; the printed kill is survived."""
    with Foreground(tmp_path, "kafka", "KAFKA=3.9.2", TMPDIR=str(tmp_path)) as make:
        publish = make.printed(r"^ +.*streamdns publish .*$", timeout_s=DEADLINE_S)
        written = shell(publish)
        assert "offset 0" in written
        if shutil.which("kcat"):
            assert "www.example.org.|A" in shell(make.printed(r"^ +kcat .*$"))
        shell(make.printed(r"kill -9 \d+$"))
        make.printed(r"^the broker is there again", timeout_s=DEADLINE_S)
        assert "offset 1" in shell(publish)
        make.interrupt(within_s=10)
    assert not list(tmp_path.glob("kafka-*")), "nothing stays"
