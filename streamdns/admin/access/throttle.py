"""Makes clients wait after wrong passwords, longer each time, counted by address and by user in bounded memory."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Callable
from typing import Final, NamedTuple

FREE: Final = 3
"""Wrong passwords before the first wait."""
_FIRST_S: Final = 1.0
_MOST_S: Final = 60.0
#: A user is not kept out for long by strangers who try his name.
_MOST_USER_S: Final = 10.0
_FORGET_S: Final = 900.0
_BUCKETS: Final = 4096
_KNOWN: Final = 256


class _Table:
    """Counts failures in a fixed number of buckets, chosen by a keyed hash so that nobody can aim at the bucket of
    another.

    A user that is known and one that is not are alike here.
    """

    def __init__(self, key: bytes, most_s: float) -> None:
        self._key, self._most_s = key, most_s
        self._failures = [0] * _BUCKETS
        self._last_s = [0.0] * _BUCKETS

    def wait_s(self, subject: str, now_s: float) -> float:
        place = self._place(subject)
        over = self._failures[place] - FREE
        if over < 0:
            return 0.0
        delay_s: float = min(_FIRST_S * 2 ** min(over, 16), self._most_s)
        return max(0.0, self._last_s[place] + delay_s - now_s)

    def failed(self, subject: str, now_s: float) -> float:
        """Count a failure; returns when the one before was."""
        place = self._place(subject)
        before_s = self._last_s[place]
        if now_s - before_s > _FORGET_S:
            self._failures[place] = 0
        self._failures[place] += 1
        self._last_s[place] = now_s
        return before_s

    def take_back(self, subject: str, *, at_s: float, before_s: float) -> None:
        """Count the failure of a moment no more; others that came behind it stand."""
        place = self._place(subject)
        self._failures[place] = max(0, self._failures[place] - 1)
        if self._last_s[place] == at_s:
            self._last_s[place] = before_s

    def forgive(self, subject: str, *, all_of_them: bool) -> None:
        place = self._place(subject)
        self._failures[place] = 0 if all_of_them else max(0, self._failures[place] - 1)

    def _place(self, subject: str) -> int:
        digest = hashlib.blake2b(subject.encode("utf-8", "surrogatepass"), key=self._key, digest_size=8).digest()
        return int.from_bytes(digest) % _BUCKETS


class Counted(NamedTuple):
    """A failure that was counted before the password was checked: where, when, and when the one before was."""

    places: tuple[tuple[_Table, str, float], ...]
    at_s: float


class Throttle:
    """Delays sign-ins by address and by user; `clock` in seconds, `random_bytes` makes the keys of the hashes.

    Many people may share an address: a proxy's, or "" on a unix socket. Who has signed in from one before, by name, has
    a count of his own there, and waits neither for what others do there nor for what is done with his name elsewhere.
    """

    def __init__(self, clock: Callable[[], float], random_bytes: Callable[[int], bytes]) -> None:
        self._clock = clock
        self._addresses = _Table(random_bytes(16), _MOST_S)
        self._users = _Table(random_bytes(16), _MOST_USER_S)
        self._pairs = _Table(random_bytes(16), _MOST_USER_S)
        self._known: dict[tuple[str, str], None] = {}

    def knows(self, address: str, user: str) -> bool:
        """Return whether this user has signed in from this address before."""
        return (network_of(address), user) in self._known

    def wait_s(self, address: str, user: str) -> float:
        """Return the seconds until the next password of this address and user is checked; 0 for now."""
        now_s = self._clock()
        return max(table.wait_s(subject, now_s) for table, subject in self._of(address, user))

    def failed(self, address: str, user: str) -> Counted:
        """Count a failure; called before a password is checked, so that many at once count too."""
        now_s = self._clock()
        return Counted(
            tuple((table, subject, table.failed(subject, now_s)) for table, subject in self._of(address, user)), now_s
        )

    def take_back(self, counted: Counted) -> None:
        """Count a failure no more: the password was not looked at."""
        for table, subject, before_s in counted.places:
            table.take_back(subject, at_s=counted.at_s, before_s=before_s)

    def succeeded(self, address: str, user: str) -> None:
        """Forgive the failures of a user who gave the right password; of the address only this one."""
        network = network_of(address)
        if (network, user) not in self._known:
            self._addresses.forgive(network, all_of_them=False)
            self._users.forgive(user, all_of_them=True)
        self._pairs.forgive(_pair(network, user), all_of_them=True)
        self._known.pop((network, user), None)
        self._known[network, user] = None
        if len(self._known) > _KNOWN:
            del self._known[next(iter(self._known))]

    def _of(self, address: str, user: str) -> tuple[tuple[_Table, str], ...]:
        network = network_of(address)
        if (network, user) in self._known:
            return ((self._pairs, _pair(network, user)),)
        return (self._addresses, network), (self._users, user)


def _pair(network: str, user: str) -> str:
    return f"{network} {user}"


def network_of(address: str) -> str:
    """Return the network that counts as one client: the /64 of an IPv6 address."""
    if ":" not in address:
        return address
    return str(ipaddress.ip_network((address, 64), strict=False))
