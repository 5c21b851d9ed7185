"""Services whose start has to wait for something that may come: the others go on meanwhile."""

from __future__ import annotations

import gevent

from streamdns.errors import ConfigError, NotYet
from streamdns.runtime.lifecycle import EXIT_FAILED, EXIT_OK, Supervisor
from streamdns.runtime.sdnotify import Notifier
from tests.unit.runtime.test_lifecycle import Recorded, in_greenlet, result, until


class Later(Recorded):
    """A service whose port is taken at first."""

    def __init__(self, name: str, journal: list[str], reasons: list[str], *, essential: bool = False) -> None:
        super().__init__(name, journal, essential=essential)
        self.reasons = reasons

    def start(self) -> None:
        super().start()
        if self.reasons:
            raise NotYet(self.reasons.pop(0))


def test_what_is_not_there_yet_is_waited_for_and_the_others_go_on() -> None:
    journal: list[str] = []
    pauses: list[float] = []
    told: list[str] = []

    class Heard(Notifier):
        def ready(self) -> None:
            told.append("ready")

    def sleep(pause_s: float) -> None:
        pauses.append(pause_s)
        gevent.sleep(0)

    late = Later("tcp", journal, ["in use"] * 5, essential=True)
    services = [Recorded("udp", journal, essential=True), late, Recorded("admin", journal)]
    supervisor = Supervisor(services, sleep=sleep, notifier=Heard(None))
    greenlet = in_greenlet(supervisor)
    until(lambda: "run tcp" in journal, "it runs in the end")
    assert pauses == [1, 2, 4, 5, 5]
    assert told == ["ready"]
    assert journal.index("run udp") < journal.index("stop tcp")
    assert [status.state for status in supervisor.statuses()] == ["running"] * 3
    assert [status.restarts for status in supervisor.statuses()] == [0] * 3
    assert supervisor.statuses()[1].error == ""
    supervisor.stop()
    assert result(greenlet) == EXIT_OK


def test_it_is_ready_only_when_one_of_the_essential_services_runs() -> None:
    journal: list[str] = []
    told: list[int] = []

    class Heard(Notifier):
        def ready(self) -> None:
            told.append(len(late.reasons))

    late = Later("udp", journal, ["in use", "in use"], essential=True)
    supervisor = Supervisor([late, Recorded("admin", journal)], sleep=lambda s: gevent.sleep(0), notifier=Heard(None))
    greenlet = in_greenlet(supervisor)
    until(lambda: told, "READY")
    assert told == [0]
    supervisor.stop()
    assert result(greenlet) == EXIT_OK


def test_a_stop_does_not_wait_for_what_is_not_there_yet() -> None:
    journal: list[str] = []
    late = Later("udp", journal, ["in use"] * 1000, essential=True)
    supervisor = Supervisor([late], stop_timeout_s=60)
    greenlet = in_greenlet(supervisor)
    until(lambda: supervisor.statuses()[0].state == "waiting", "it waits")
    supervisor.stop()
    assert result(greenlet) == EXIT_OK
    assert "run udp" not in journal


def test_a_setting_that_turns_out_wrong_while_waiting_ends_it() -> None:
    journal: list[str] = []
    late = Later("udp", journal, ["in use"], essential=True)

    def sleep(pause_s: float) -> None:
        late.start_error = ConfigError(["no"])
        gevent.sleep(0)

    assert Supervisor([late], sleep=sleep).run(handle_signals=False) == EXIT_FAILED
