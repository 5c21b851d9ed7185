"""The console in a real terminal while a real broker is killed under it and started again."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import pytest

from tests.console.test_terminal import asked, console
from tests.harness import Server, require_tools
from tests.harness.kafka import VERSIONS, Broker
from tests.harness.kafka_node import ZONE, event, foundation, settings
from tests.harness.kafka_topics import Topic

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]


@pytest.mark.parametrize("broker", [VERSIONS[-1]], indirect=True)
def test_a_broker_is_killed_and_started_again(
    broker: Broker, serve: Callable[..., Server], tmp_path: pathlib.Path
) -> None:
    """At both sizes: live, the log is gone and answers go on, live again with what came meanwhile."""
    require_tools("tmux")
    topic = Topic(broker, partitions=2)
    topic.produce(foundation(partitions=2))
    server = serve(**settings(topic, "confluent"))
    with asked(server), console(server, tmp_path, (80, 24)) as terminal:
        for number, size in enumerate(((80, 24), (200, 60))):
            if number:
                terminal.resize(*size)
            screen = terminal.waits_for(r"● serving[^\n]*⟳ 1 s")
            topic.produce([event(f"change{number}.{ZONE}", "A", ["192.0.2.1"])])
            terminal.waits_for(rf"change{number}\.[^\n]*nothing → 192\.0\.2\.1")
            broker.kill()
            screen = terminal.waits_for(r"▲ serving(?s:.*)▲ reconnecting: ")
            assert max(map(len, screen.splitlines())) <= size[0]
            terminal.waits_for(r"answers +[1-9][\d.]*k?/s")
            terminal.keys("3")
            terminal.waits_for(r"state +▲ reconnecting  for \d")
            terminal.waits_for(r"(?m)^.{2,}0 +\d+ .*1 +\d+ |topic +part +position")
            broker.start()
            topic.produce([event(f"back{number}.{ZONE}", "A", ["192.0.2.2"])])
            terminal.waits_for(r"state +● following")
            terminal.keys("1")
            screen = terminal.waits_for(rf"● serving(?s:.*)back{number}\.[^\n]*nothing → 192\.0\.2\.2")
            assert "reconnecting" not in screen
