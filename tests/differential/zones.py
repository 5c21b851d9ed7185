"""Random zones: everything that decides how a name is answered, in combinations that NSD and Knot both load."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from tests.harness import event_line

#: A name as its labels, without the root's.
Labels = tuple[bytes, ...]

_COMMON = (b"a", b"b", b"c", b"d", b"www", b"mail", b"B", b"wWw", b"_sip", b"_tcp")
# Not among them: a zero octet between others, which makes Knot take `a\000b` and `b.a` for one name.
_ODD = (
    b"\0", b"\1", b"\0\1", b"\1\1", b"a.b", b"\xff", b"\\", b"a b", b'"', b"@", b"$", b"*x", b"x*", b"-",
    b"\x7f", b"(", b";", b"x" * 63, b"[", b"{",
)
_PLAIN = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_*"
_FOREIGN: Labels = (b"elsewhere", b"invalid")
_TTLS = (0, 1, 60, 300, 3600, 86400, 2147483647)


class RRset(NamedTuple):
    """One RRset of a zone, RDATA in presentation form with absolute names."""

    owner: Labels
    rdtype: str
    ttl: int
    contents: tuple[str, ...]


def text_of(name: Labels) -> str:
    """Presentation form with the trailing dot, escapes by number: the peers misread some others."""
    return "".join(f"{''.join(map(_character, label))}." for label in name) or "."


def _character(octet: int) -> str:
    return chr(octet) if octet in _PLAIN else f"\\{octet:03d}"


def wire_of(name: Labels) -> bytes:
    """Wire form."""
    return b"".join([bytes((len(label),)) + label for label in name]) + b"\0"


def size_of(name: Labels) -> int:
    """Octets of the wire form."""
    return sum(map(len, name)) + len(name) + 1


class Zone:
    """A zone in the making; RRsets stand under their owner in lower case, and `random` decides everything."""

    def __init__(self, rng: random.Random, origin: Labels, others: Sequence[Labels]) -> None:
        self.rng, self.origin, self.others = rng, origin, others
        self.rrsets: dict[Labels, dict[str, RRset]] = {}
        self.children: list[Zone] = []
        self.aliases: set[Labels] = set()
        self.cuts: list[Labels] = []
        self.names: list[Labels] = []

    @property
    def owners(self) -> list[Labels]:
        """All owner names, as they are spelt in the zone."""
        return [next(iter(rrsets.values())).owner for rrsets in self.rrsets.values()]

    def has_hidden_wildcard(self, cut: bytes) -> bool:
        """Whether addresses stand at a wildcard at or below a cut (lower-case wire form), here or in a zone below."""
        owners = [key for key, rrsets in self.rrsets.items() if b"*" in key and rrsets.keys() & {"A", "AAAA"}]
        return any(wire_of(owner).endswith(cut) for owner in owners) or any(
            child.has_hidden_wildcard(cut) for child in self.children
        )

    def text(self) -> str:
        """The zone file."""
        return "".join(
            f"{text_of(rrset.owner)} {rrset.ttl} IN {rrset.rdtype} {content}\n"
            for rrsets in self.rrsets.values() for rrset in rrsets.values() for content in rrset.contents
        )

    def events(self) -> list[bytes]:
        """The lines of a file log."""
        return [
            event_line(
                f"{text_of(rrset.owner)}|{rrset.rdtype}",
                [
                    {"name": text_of(rrset.owner), "type": rrset.rdtype, "content": content, "ttl": rrset.ttl}
                    for content in rrset.contents
                ],
            )
            for rrsets in self.rrsets.values() for rrset in rrsets.values()
        ]

    # -- what may stand where

    def add(self, owner: Labels, rdtype: str, contents: Sequence[str], ttl: int | None = None) -> bool:
        """Add an RRset unless the zone would not load with it; whether it was added."""
        key = lower(owner)
        here = self.rrsets.get(key, {})
        if rdtype in here or "CNAME" in here or (rdtype == "CNAME" and here) or not self._free(key, rdtype):
            return False
        if any(within(key, child.origin) for child in self.children):
            return False
        chosen = self.rng.choice(_TTLS) if ttl is None else ttl
        unique = tuple({content.lower(): content for content in contents}.values())
        self.rrsets.setdefault(key, {})[rdtype] = RRset(owner, rdtype, chosen, unique)
        return True

    def _free(self, key: Labels, rdtype: str) -> bool:
        """Nothing may stand below a DNAME, nor beside it what the peers refuse (RFC 6672 §2.4)."""
        above = [key[count:] for count in range(1, len(key) - len(self.origin) + 1)]
        if any("DNAME" in self.rrsets.get(each, {}) for each in above):
            return False
        here = self.rrsets.get(key, {})
        if rdtype == "DNAME":
            below = any(within(other, key) and other != key for other in self.rrsets)
            return not below and ("NS" not in here or key == lower(self.origin)) and key[0] != b"*"
        return not (rdtype == "NS" and ("DNAME" in here or key[0] == b"*") and key != lower(self.origin))

    # -- names

    def label(self) -> bytes:
        """A label that other names are likely to have as well, seldom an odd one."""
        return self.rng.choice(_ODD) if self.rng.random() < 0.12 else self.rng.choice(_COMMON)

    def name(self) -> Labels:
        """A name below the apex, one to four labels deep, sometimes a wildcard, seldom as long as names can be."""
        depth = self.rng.choices((1, 2, 3, 4), (5, 5, 3, 1))[0]
        labels = [self.label() for _ in range(depth)]
        if self.rng.random() < 0.22:
            labels[0] = b"*"
        elif self.rng.random() < 0.06:
            labels[self.rng.randrange(depth)] = b"*"
        if self.rng.random() < 0.03:
            labels = [*labels[:1], *stuffing(self.rng.choice((255, 254, 250)) - size_of((*labels[:1], *self.origin)))]
        name = (*labels, *self.origin)
        if self.names and self.rng.random() < 0.35:
            name = (labels[0], *self.rng.choice(self.names))
        return name if size_of(name) <= 255 else (labels[0][:20] or b"a", *self.origin)

    def target(self) -> Labels:
        """Where an alias or an MX may point: mostly into this zone, at what exists, what does not, or a cut."""
        rng = self.rng
        chance = rng.random()
        if chance < 0.55 and self.names:
            name = rng.choice(self.names)
        elif chance < 0.7 and self.names:
            name = (self.label(), *rng.choice(self.names))
        elif chance < 0.78 and self.cuts:
            name = (self.label(), *rng.choice(self.cuts))
        elif chance < 0.83 and self.others:
            name = (*[self.label() for _ in range(rng.randrange(3))], *rng.choice(self.others))
        elif chance < 0.87:
            name = (self.label(), *self.origin)
        elif chance < 0.89:
            name = self.origin
        else:
            name = (self.label(), *_FOREIGN)
        if name[0] == b"*" and rng.random() < 0.8:
            name = (rng.choice((b"x", b"y.z", b"a")), *name[1:])
        return name if size_of(name) <= 255 else self.origin

    # -- what stands at a name

    def fill(self) -> None:
        """Make the zone."""
        rng = self.rng
        timers = f"{rng.randrange(1 << 32)} 3600 600 604800 {rng.choice(_TTLS)}"
        self.add(self.origin, "SOA", [f"{text_of((b'ns', *self.origin))} {text_of((b'a.b', *self.origin))} {timers}"])
        self.add_delegation(self.origin)
        if rng.random() < 0.04 and not self.children:
            self.add(self.origin, "DNAME", [text_of(self.target())])
            return
        self.names = [self.name() for _ in range(rng.randint(3, 16))]
        for name in self.names:
            rng.choices(
                (self.add_data, self.add_alias, self.add_dname, self.add_cut, self.add_chain), (50, 20, 8, 18, 4)
            )[0](name)
        if rng.random() < 0.5:
            self.add_data(self.origin)

    def add_data(self, owner: Labels) -> None:
        """One to three RRsets; now and then one that does not fit a datagram."""
        for _ in range(self.rng.randint(1, 3)):
            rdtype = self.rng.choice(DATA_TYPES)
            self.add(owner, rdtype, self.contents(rdtype))

    def add_alias(self, owner: Labels) -> None:
        """A CNAME."""
        self.add(owner, "CNAME", [text_of(self.target())])

    def add_chain(self, owner: Labels) -> None:
        """A chain of CNAMEs that ends somewhere or in a loop."""
        links = [owner] + [(b"link%d" % number, *self.origin) for number in range(self.rng.randint(1, 4))]
        end = self.rng.choice(links) if self.rng.random() < 0.3 else self.target()
        for link, following in zip(links, [*links[1:], end], strict=True):
            self.add(link, "CNAME", [text_of(following)])

    def add_dname(self, owner: Labels) -> None:
        """A DNAME, sometimes with other data beside it, sometimes with a target that makes names too long."""
        target = self.target()
        if self.rng.random() < 0.2:
            target = (*stuffing(self.rng.choice((200, 240, 255)) - size_of(self.origin)), *self.origin)
        if self.add(owner, "DNAME", [text_of(target)]) and self.rng.random() < 0.4:
            rdtype = self.rng.choice(("A", "TXT", "MX"))
            self.add(owner, rdtype, self.contents(rdtype))

    def add_cut(self, owner: Labels) -> None:
        """A delegation, sometimes with DS, sometimes with data that it hides."""
        if not self.add_delegation(owner):
            return
        self.cuts.append(owner)
        rng = self.rng
        if rng.random() < 0.5:
            self.add(owner, "DS", [f"{rng.randrange(65536)} 8 2 {rng.randbytes(32).hex()}"])
        if rng.random() < 0.3:
            self.add_data(owner)
        for _ in range(rng.choice((0, 0, 1, 2))):
            hidden = (self.label(), *owner)
            if size_of(hidden) <= 255:
                rng.choice((self.add_data, self.add_alias, self.add_delegation))(hidden)

    def add_delegation(self, owner: Labels) -> bool:
        """NS records, with in-domain, sibling, foreign or missing addresses."""
        rng = self.rng
        servers: list[Labels] = []
        for _ in range(rng.choice((1, 1, 2, 2, 3, 12 if rng.random() < 0.1 else 2))):
            chance = rng.random()
            if chance < 0.6:
                server: Labels = (b"ns%d" % rng.randrange(20), *owner)
            elif chance < 0.75 and self.cuts:
                server = (b"ns1", *rng.choice(self.cuts))
            elif chance < 0.9:
                server = (b"ns", *self.origin)
            else:
                server = (b"ns", *_FOREIGN)
            servers.append(server if size_of(server) <= 255 else (b"ns", *_FOREIGN))
        if not self.add(owner, "NS", [text_of(server) for server in servers]):
            return False
        for server in servers:
            if within(server, self.origin):
                for rdtype in ("A", "AAAA"):
                    if rng.random() < 0.7:
                        self.add(server, rdtype, self.contents(rdtype, big=False))
        return True

    def contents(self, rdtype: str, *, big: bool | None = None) -> list[str]:
        """RDATA of an RRset."""
        rng = self.rng
        count = rng.choice((1, 1, 2, 3))
        # Knot 3.2 never comes back from the truncation of many MX or SRV records with addresses: theirs stay small.
        if big is None and rdtype not in ("MX", "SRV") and rng.random() < 0.06:
            count = rng.choice((16, 30, 45, 100, 300))
        return [self.content(rdtype) for _ in range(count)]

    def content(self, rdtype: str) -> str:
        """RDATA of one record."""
        rng = self.rng
        if rdtype == "A":
            return f"192.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}"
        if rdtype == "AAAA":
            return f"2001:db8:{rng.randrange(65536):x}::{rng.randrange(65536):x}"
        if rdtype == "TXT":
            strings = [rng.randbytes(rng.choice((0, 1, 9, 30, 127))).hex() for _ in range(rng.choice((1, 1, 2)))]
            return " ".join(f'"{each}"' for each in strings)
        if rdtype == "MX":
            return f"{rng.randrange(65536)} {text_of(self.target())}"
        if rdtype == "SRV":
            return f"{rng.randrange(65536)} 0 {rng.randrange(65536)} {text_of(self.target())}"
        if rdtype == "PTR":
            return text_of(self.target())
        if rdtype == "CAA":
            return f'{rng.choice((0, 128))} issue "{rng.choice(("", "ca.example.", "ca; x=1"))}{rng.randrange(999)}"'
        if rdtype == "NAPTR":
            return f'{rng.randrange(99)} 1 "u" "E2U+sip" "!^.*$!sip:i@example.!" {text_of(self.target())}'
        if rdtype == "HINFO":
            return f'"cpu{rng.randrange(99)}" "os"'
        data = rng.randbytes(rng.choice((0, 1, 8, 40)))
        return f"\\# {len(data)} {data.hex()}".strip()


DATA_TYPES = ("A", "A", "A", "AAAA", "AAAA", "TXT", "MX", "SRV", "PTR", "CAA", "NAPTR", "HINFO", "TYPE65280")


def stuffing(octets: int) -> list[bytes]:
    """Labels whose wire form takes so many octets, as far as labels can."""
    labels = []
    while octets > 1:
        size = min(63, octets - 1)
        labels.append(b"l" * size)
        octets -= size + 1
    return labels


def lower(name: Labels) -> Labels:
    """The name in lower case."""
    return tuple(label.lower() for label in name)


def within(name: Labels, origin: Labels) -> bool:
    """Whether a name is the other one or below it."""
    return lower(name[-len(origin) :]) == lower(origin)


def make_zones(rng: random.Random, count: int) -> list[Zone]:
    """So many zones under distinct origins; some hold the delegation of another one of them."""
    parents = (b"Peers", *[b"peers"] * 8)
    origins: list[Labels] = [(b"z%d" % number, parents[number % 9], b"test") for number in range(count)]
    zones: list[Zone] = []
    for origin in origins:
        zone = Zone(rng, origin, others=rng.sample(origins, 3))
        if rng.random() < 0.15:
            child = Zone(rng, (b"child", *origin), others=[origin])
            child.fill()
            delegate(zone, child)
            zones.append(child)
        zone.fill()
        zones.append(zone)
    return zones


def delegate(parent: Zone, child: Zone) -> None:
    """Put the child's NS, its servers' addresses and perhaps a DS into the parent: the same RRsets on both sides."""
    apex = child.rrsets[lower(child.origin)]
    parent.rrsets[lower(child.origin)] = {"NS": apex["NS"]}
    if parent.rng.random() < 0.6:
        digest = parent.rng.randbytes(32).hex()
        parent.rrsets[lower(child.origin)]["DS"] = RRset(child.origin, "DS", 300, (f"1 8 2 {digest}",))
    for owner, rrsets in child.rrsets.items():
        if text_of(owner) in {content.lower() for content in apex["NS"].contents}:
            glue = {rdtype: rrset for rdtype, rrset in rrsets.items() if rdtype in ("A", "AAAA")}
            if glue:
                parent.rrsets[owner] = glue
    parent.cuts.append(child.origin)
    parent.children.append(child)
