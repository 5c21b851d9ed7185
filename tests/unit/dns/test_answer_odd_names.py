"""Names whose labels hold the octets 0 and 1, which lookup keys escape: they are never taken for other names."""

from __future__ import annotations

from typing import Any

import dns.rcode
import pytest

from streamdns.dns.answer import Answerer
from tests.unit.dns.answering import EXAMPLE, answerer, ask, section

#: A name, and another one whose key is what its octets would be if they were not escaped.
ALIKE = [(r"a\000b", "b.a"), (r"a\001\001b", r"a\000b"), (r"a\001\002b", r"a\001b"), (r"\000", "."), (r"\001", r"\000")]


def made_of(text: str, *, is_simple: bool) -> Answerer:
    """An answerer that puts replies together quickly, or in the general way alone."""
    made = answerer(EXAMPLE + text)
    made._simple = is_simple
    return made


def names(text: str, zone: str = "example.") -> str:
    return zone if text == "." else f"{text}.{zone}"


@pytest.mark.parametrize("is_simple", [True, False])
@pytest.mark.parametrize(("odd", "like"), ALIKE)
@pytest.mark.parametrize("below", ["", "deep.down."])
def test_a_name_is_not_taken_for_one_with_the_same_octets(odd: str, like: str, below: str, is_simple: bool) -> None:
    """Neither when it is asked for nor where an alias or another record leads to it."""
    odd, like = names(odd, f"{below}example."), names(like, f"{below}example.")
    lines = [f"{like} 60 A 192.0.2.66", f"alias.example. 60 CNAME {odd}", f"mx.example. 60 MX 1 {odd}",
             f"srv.example. 60 SRV 1 2 3 {odd}", f"cut.example. 60 NS {odd}", f"mx2.example. 60 MX 1 {like}"]
    made = made_of("\n".join(lines), is_simple=is_simple)
    assert ask(made, odd).answer == []
    assert section(ask(made, "alias.example").answer) == [f"alias.example. CNAME {odd}"]
    for owner, rdtype in (("mx.example", "MX"), ("srv.example", "SRV"), ("x.cut.example", "A")):
        assert section(ask(made, owner, rdtype).additional) == []
    assert section(ask(made, "mx2.example", "MX").additional) == [f"{like} A 192.0.2.66"]
    made = made_of("\n".join([*lines, f"{odd} 60 A 192.0.2.1"]), is_simple=is_simple)
    right = f"{odd} A 192.0.2.1"
    assert section(ask(made, odd).answer) == [right]
    assert section(ask(made, "alias.example").answer)[1:] == [right]
    for owner, rdtype in (("mx.example", "MX"), ("srv.example", "SRV"), ("x.cut.example", "A")):
        assert section(ask(made, owner, rdtype).additional) == [right]


@pytest.mark.parametrize("is_simple", [True, False])
@pytest.mark.parametrize("odd", [odd for odd, _ in ALIKE])
@pytest.mark.parametrize(("content", "wanted"), [
    ("60 CNAME t.{}", "t.{} A 192.0.2.7"), ("60 CNAME {}", "{} A 192.0.2.8"),
])
def test_an_alias_below_such_a_name_leads_below_it(odd: str, content: str, wanted: str, is_simple: bool) -> None:
    """What they share stands in the question once, in whatever octets."""
    above = names(odd)
    made = made_of(f"l.{above} {content.format(above)}\nt.{above} 60 A 192.0.2.7\n{above} 60 A 192.0.2.8\n"
                   f"mx.{above} 60 MX 1 t.{above}\n*.w.{above} 60 MX 1 t.{above}\n", is_simple=is_simple)
    assert section(ask(made, f"l.{above}").answer)[1:] == [wanted.format(above)]
    for owner in (f"mx.{above}", f"x.w.{above}", f"y.x.w.{above}"):
        reply = ask(made, owner, "MX")
        assert section(reply.answer) == [f"{owner} MX 1 t.{above}"]
        assert section(reply.additional) == [f"t.{above} A 192.0.2.7"]


@pytest.mark.parametrize("is_simple", [True, False])
@pytest.mark.parametrize("first", ["\\000", "\\001", "!", "a", "\\255"])
@pytest.mark.parametrize("second", ["\\000", "\\001", "\\002", "*", "z"])
def test_a_wildcard_stands_for_names_in_any_octets(first: str, second: str, is_simple: bool) -> None:
    """RFC 4592: for whatever is not there; an empty non-terminal is there."""
    made = made_of("*.w.example. 60 TXT wild\nhere.w.example. 60 TXT here\nx.ent.w.example. 60 TXT x\n"
                   "x.*.v.example. 60 TXT x\n",
                   is_simple=is_simple)

    def found(owner: str, **options: Any) -> tuple[int, list[str]]:
        reply = ask(made, owner, "TXT", **options)
        return int(reply.rcode()), [each.split()[-1] for each in section(reply.answer)]

    assert found(f"{first}{second}.w.example") == (0, ['"wild"'])
    assert found(f"{first}.{second}.w.example") == ((3, []) if second == "*" else (0, ['"wild"']))
    assert found(f"{first}.here.w.example") == found(f"{first}.{second}.ent.w.example") == (dns.rcode.NXDOMAIN, [])
    # Where a wildcard is there without records, what it stands for is there without records (RFC 4592 §4.9).
    assert found("ent.w.example") == found(f"{first}.v.example") == found("*.v.example") == (0, [])
