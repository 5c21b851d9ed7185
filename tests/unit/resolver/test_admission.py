"""The resolver's places: questions and queries that wait, counted by network, and what gives way to whom."""

from __future__ import annotations

import random
from collections.abc import Iterator

import gevent
import pytest

from streamdns.dns import name
from streamdns.dns.wire import SERVFAIL
from streamdns.metrics.registry import Registry
from streamdns.resolver.resolution import cache as store
from streamdns.resolver.resolution.cache import Cache
from streamdns.resolver.resolution.costs import MOST_US
from streamdns.resolver.resolution.message import Response
from streamdns.resolver.resolution.places import YOUNG_S
from streamdns.resolver.resolution.question import Ask, Knowledge, Outcome, Question
from streamdns.resolver.resolution.ready_answers import Messages
from streamdns.resolver.resolution.servers import Address, Servers
from streamdns.resolver.service.admission import Then
from streamdns.resolver.service.recursor import Recursor, Running
from streamdns.resolver.transport.flight import Events
from streamdns.resolver.transport.pace import Pace
from streamdns.resolver.transport.transport import Transport
from streamdns.runtime.turns import give_way

pytestmark = pytest.mark.plain

LIMIT, CLIENT_LIMIT = 10, 6
WWW = name.from_text("www.elsewhere.")


class Silent(Transport):
    """Sends nothing; `asked` is what it was to send."""

    def __init__(self, registry: Registry, turn_s: float) -> None:
        self.cpu_s = 0.0
        pace = Pace(turn_s=turn_s, shared_s=turn_s, clock=lambda: self.cpu_s, cpu_clock=lambda: self.cpu_s)
        super().__init__(registry, pace=pace)
        self.asked: list[tuple[Ask, Events]] = []

    def send(self, ask: Ask, events: Events) -> None:
        self.asked.append((ask, events))


class Crowd:
    """A resolver whose servers say nothing, and clients."""

    def __init__(self, *, limit: int = LIMIT, client_limit: int = CLIENT_LIMIT, turn_s: float = 1e9) -> None:
        self.now_s, self.turn = 1000.0, 0
        registry, rng = Registry(), random.Random(1)
        self.transport = Silent(registry, turn_s)
        self.known = Knowledge(Cache(1 << 20), Servers(rng), (Address("127.0.0.1", 9),), rng)
        self.recursor = Recursor(
            self.known, self.transport, messages=Messages(1 << 20), registry=registry, limit=limit,
            client_limit=client_limit, clock=lambda: self.now_s,
        )
        self.told: dict[str, Outcome] = {}
        self.registry = registry

    def ask(self, question: str, client: bytes, *, own: bool = False) -> Outcome | Running:
        """One query for a name of its own that waits for what comes of it."""
        its = Question(name.from_text(question), 1)
        found = self.recursor.begin(its, client, self.recursor.for_own_names if own else None)
        if isinstance(found, Running):
            who = f"{question} {client.hex()} {len(self.told)}"
            found.join(client, Then(lambda outcome: self.told.__setitem__(who, outcome)))
        return found

    def waits(self, question: str, client: bytes, *, own: bool = False) -> bool:
        return isinstance(self.ask(question, client, own=own), Running)

    def counted(self, metric: str, **labels: str) -> float:
        return self.registry.counter(metric, **labels).value

    def gone(self) -> list[str]:
        gevent.sleep(0)
        return [who.split()[0] for who in self.told]


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    made = Crowd()
    yield made
    made.recursor.stop()
    gevent.sleep(0)
    admissions = made.recursor._admission, made.recursor.for_own_names
    assert [(len(each.questions), len(each.queries), each._waits_for) for each in admissions] == [(0, 0, {})] * 2


def of(network: int, host: int = 1) -> bytes:
    return bytes((10, 0, network, host))


@pytest.mark.parametrize("clients", [
    [bytes((192, 0, 2, number)) for number in range(20)],
    [bytes.fromhex("20010db800010002") + number.to_bytes(8, "big") for number in range(20)],
])
def test_a_network_has_its_share_however_many_addresses_it_has(crowd: Crowd, clients: list[bytes]) -> None:
    taken = [crowd.waits(f"n{number}.example.", client) for number, client in enumerate(clients)]
    assert taken == [True] * CLIENT_LIMIT + [False] * (20 - CLIENT_LIMIT)
    assert crowd.waits("other.example.", of(1))
    assert crowd.counted("resolver.limited", limit="client") == 20 - CLIENT_LIMIT


def test_when_all_places_are_taken_the_oldest_of_who_holds_most_gives_way(crowd: Crowd) -> None:
    for number in range(LIMIT):
        assert crowd.waits(f"n{number}.example.", of(1 if number in (2, 4, 5, 7) else 10 + number))
        crowd.now_s += 0.01
    assert not crowd.waits("early.example.", of(1)), "nobody gives way to himself at once"
    assert crowd.waits("good.example.", of(3))
    assert crowd.gone() == ["n2.example."]
    (gone,) = crowd.told.values()
    assert (gone.rcode, gone.ede, "gave way" in gone.detail or "its place" in gone.detail) == (SERVFAIL, 0, True)
    assert crowd.waits("good2.example.", of(4))
    assert crowd.gone() == ["n2.example.", "n4.example."]
    assert [crowd.counted("resolver.limited", limit=each) for each in ("all", "gave_way", "client")] == [1, 2, 0]
    # What has given way is not remembered as a failure.
    assert crowd.known.cache.get(name.from_text("n2.example."), 1, crowd.now_s) is None


def test_what_gives_way_is_answered_with_what_was_known_last(crowd: Crowd) -> None:
    crowd.known.cache.put(WWW, 1, (b"\1\2\3\4",), trust=store.ANSWER, ttl_s=10, now_s=crowd.now_s)
    crowd.now_s += 20
    assert crowd.waits("www.elsewhere.", of(1))
    for number in range(LIMIT - 1):
        assert crowd.waits(f"n{number}.example.", of(1 if number < 3 else 10 + number))
    crowd.now_s += YOUNG_S * 2
    assert crowd.waits("good.example.", of(3))
    crowd.gone()
    assert [(outcome.rcode, outcome.ede) for outcome in crowd.told.values()] == [(0, 3)]


def test_queries_that_wait_for_one_question_are_shared_out_as_well(crowd: Crowd) -> None:
    """Many who ask the same take no places of questions, but each is held."""
    for number in range(2 * LIMIT):
        assert crowd.waits("same.example.", of(number // 5, number))
    assert not crowd.waits("same.example.", of(0))
    assert crowd.waits("same.example.", of(77))
    assert crowd.waits("good.example.", of(78))
    assert len(crowd.gone()) == 2
    assert crowd.counted("resolver.limited", limit="gave_way") == 2


def test_names_of_ours_that_lead_elsewhere_have_places_of_their_own(crowd: Crowd) -> None:
    """Everybody may ask for these, and nobody takes the places of clients that way, nor they theirs."""
    taken = [crowd.waits(f"own{number}.example.", of(number), own=True) for number in range(10)]
    assert taken == [True] * 2 + [False] * 8
    # They are asked for once, whoever waits for them; a few may wait for each.
    assert [crowd.waits("own0.example.", of(100 + number), own=True) for number in range(5)] == [True] * 2 + [False] * 3
    assert len(crowd.transport.asked) == 2
    for number in range(LIMIT):
        assert crowd.waits(f"n{number}.example.", of(10 + number))
    assert not crowd.waits("more.example.", of(99))
    crowd.now_s += YOUNG_S * 2
    assert crowd.waits("own9.example.", of(99), own=True)
    assert crowd.recursor.summary()["clients_waiting"] == LIMIT + 2


def test_a_question_that_costs_too_much_ends(crowd: Crowd) -> None:
    """What its steps cost counts as well as what reading replies does."""
    assert crowd.waits("evil.example.", of(1))
    ask, events = crowd.transport.asked[0]
    response = Response(0, ask.qname, ask.qtype, 5, False, False, False, True, (), (), ())
    events.spent(ask.token, MOST_US // 2)
    crowd.transport.cpu_s += MOST_US / 1e6  # Not in a step: others had that.
    events.hurry(ask.token)
    assert not crowd.gone()
    clock = crowd.recursor.clock

    def slow_clock() -> float:
        crowd.transport.cpu_s += (MOST_US // 2 + 10) / 1e6
        return clock()

    crowd.recursor.clock = slow_clock
    events.responded(ask.token, response)
    assert crowd.gone() == ["evil.example."]
    (gone,) = crowd.told.values()
    assert (gone.rcode, gone.ede, "25 ms" in gone.detail) == (SERVFAIL, 0, True)
    assert crowd.counted("resolver.given_up", reason="work") == 1
    spent_s = next(series[0][1] for metric, series in crowd.registry.collect() if metric.name == "resolver.cpu_seconds")
    assert isinstance(spent_s, float)
    assert spent_s >= MOST_US / 1e6


def test_many_who_wait_for_one_question_are_told_in_turns_of_the_loop() -> None:
    """One answer for thousands of queries does not hold the loop: each turn tells as many as its time allows."""
    crowd = Crowd(limit=500, client_limit=1000, turn_s=20.0)
    turns: list[int] = []
    found = crowd.recursor.begin(Question(name.from_text("same.example."), 1), of(0))
    assert isinstance(found, Running)

    def told(outcome: Outcome) -> None:
        crowd.transport.cpu_s += 1.0  # An answer takes a second of a turn that has twenty.
        turns.append(crowd.turn)

    for number in range(1000):
        found.join(of(number % 200), Then(told))
    gevent.get_hub().loop.run_callback(found.over, Outcome(SERVFAIL, (), (), -1, "", 0))
    with gevent.Timeout(20):
        while len(turns) < 1000:
            crowd.turn += 1
            give_way()
    most = max(turns.count(turn) for turn in set(turns))
    assert most <= 40
    crowd.recursor.stop()
    admission = crowd.recursor._admission
    assert (len(admission.queries), admission._waits_for) == (0, {})


def test_a_query_that_is_about_to_be_told_can_give_way() -> None:
    """Its place is free at once, and it is told once."""
    crowd = Crowd(limit=10, client_limit=20)
    found = crowd.recursor.begin(Question(name.from_text("same.example."), 1), of(0))
    assert isinstance(found, Running)
    told: list[Outcome] = []
    for number in range(20):
        found.join(of(number), Then(told.append))
    loop = gevent.get_hub().loop
    loop.run_callback(found.over, Outcome(SERVFAIL, (), (), -1, "", 0))
    with gevent.Timeout(20):
        while not told:
            give_way()
        crowd.now_s += 1
        assert crowd.waits("other.example.", of(100))
        while len(told) < 20:
            give_way()
    assert len(told) == 20
    crowd.recursor.stop()
