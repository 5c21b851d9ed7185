"""Orders the events of a change to a zone, so that readers miss no name that is there before and after it.

Whoever asks in between sees the old or the new RRset: what is set comes before what is deleted, targets before what
points at them, and the SOA last, because a zone without its SOA denies nothing and one with it denies what is not there
yet. Each phase is confirmed by the log before the next one is sent. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from streamdns.dns.node import CNAME, DNAME, NS, SOA
from streamdns.dns.wire import ADDITIONAL_FOR

#: Owner (lower-case wire name) and type.
Key = tuple[bytes, int]

_POINTING = (NS, DNAME, CNAME)
_MAX_LEVELS = 16


def phases(
    sets: Sequence[Key], deletes: Sequence[Key], *, origin: bytes, target: Callable[[Key], bytes],
    old_target: Callable[[Key], bytes], late: Iterable[Key] = (),
) -> list[list[Key]]:
    """The keys in phases, none of them empty.

    `target` gives the name that a CNAME or DNAME of `sets` will point to, in lower-case wire form, `old_target` that of
    one of `deletes`. `late` are keys of `sets` that go behind the SOA.
    """
    behind = set(late)
    wanted = [key for key in sets if key not in behind]
    soa = (origin, SOA)
    plain = [key for key in wanted if key[1] not in _POINTING and key != soa]
    found = [sorted(plain, key=_plain_order), *_by_level(wanted, target)]
    # The other way round: an alias goes before its target, and what is deleted is not missed behind another alias.
    found += [*reversed(_by_level(deletes, old_target)), [key for key in deletes if key[1] not in _POINTING]]
    found += [[key for key in wanted if key == soa], [key for key in sets if key in behind]]
    return [phase for phase in found if phase]


def _by_level(keys: Iterable[Key], target: Callable[[Key], bytes]) -> list[list[Key]]:
    """The NS, DNAME and CNAME of these keys, those first that no alias of them stands between and their target."""
    pointing = sorted((key for key in keys if key[1] in _POINTING), key=lambda key: _POINTING.index(key[1]))
    levels = _levels({key[0]: target(key) for key in pointing if key[1] == CNAME},
                     {key[0]: target(key) for key in pointing if key[1] == DNAME})
    by_level: dict[int, list[Key]] = {}
    for key in pointing:
        by_level.setdefault(levels.get(key[0], 0), []).append(key)
    return [by_level[level] for level in sorted(by_level)]


def _plain_order(key: Key) -> tuple[bool, bool]:
    """Wildcards first, for a name beside one hides it; names whose addresses are looked up next come behind these."""
    owner, rdtype = key
    return not owner.startswith(b"\1*"), rdtype in ADDITIONAL_FOR


def _levels(cnames: Mapping[bytes, bytes], dnames: Mapping[bytes, bytes]) -> dict[bytes, int]:
    """How many aliases of the same change stand between each alias and its target; loops end somewhere."""
    levels: dict[bytes, int] = {}

    def level(owner: bytes, seen: Sequence[bytes]) -> int:
        if owner in levels:
            return levels[owner]
        if owner in seen or len(seen) > _MAX_LEVELS:
            return 0
        target = cnames.get(owner) or dnames[owner]
        below = [each for each in _suffixes(target) if each in dnames or (each == target and each in cnames)]
        found = 1 + max((level(each, [*seen, owner]) for each in below if each != owner), default=-1)
        levels[owner] = found
        return found

    for owner in [*dnames, *cnames]:
        level(owner, ())
    return levels


def _suffixes(owner: bytes) -> list[bytes]:
    """The name and all names above it, in wire form."""
    found = []
    at = 0
    while at < len(owner):
        found.append(owner[at:])
        at += owner[at] + 1
    return found
