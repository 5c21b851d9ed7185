"""Makes clients wait after wrong passwords, longer each time, counted by address and by user in bounded memory."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Callable
from typing import Final

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

    def failed(self, subject: str, now_s: float) -> None:
        place = self._place(subject)
        if now_s - self._last_s[place] > _FORGET_S:
            self._failures[place] = 0
        self._failures[place] += 1
        self._last_s[place] = now_s

    def forgive(self, subject: str, *, all_of_them: bool) -> None:
        place = self._place(subject)
        self._failures[place] = 0 if all_of_them else max(0, self._failures[place] - 1)

    def _place(self, subject: str) -> int:
        digest = hashlib.blake2b(subject.encode("utf-8", "surrogatepass"), key=self._key, digest_size=8).digest()
        return int.from_bytes(digest) % _BUCKETS


class Throttle:
    """Delays sign-ins by address and by user; `clock` in seconds, `random_bytes` makes the keys of the hashes."""

    def __init__(self, clock: Callable[[], float], random_bytes: Callable[[int], bytes]) -> None:
        self._clock = clock
        self._addresses = _Table(random_bytes(16), _MOST_S)
        self._users = _Table(random_bytes(16), _MOST_USER_S)
        self._known: dict[tuple[str, str], None] = {}

    def wait_s(self, address: str, user: str) -> float:
        """Return the seconds until the next password of this address and user is checked; 0 for now.

        An address that a user has signed in from does not wait for what others do with his name.
        """
        network, now_s = _network(address), self._clock()
        by_user = 0.0 if (network, user) in self._known else self._users.wait_s(user, now_s)
        return max(self._addresses.wait_s(network, now_s), by_user)

    def failed(self, address: str, user: str) -> None:
        """Count a failure; called before a password is checked, so that many at once count too."""
        now_s = self._clock()
        self._addresses.failed(_network(address), now_s)
        self._users.failed(user, now_s)

    def succeeded(self, address: str, user: str) -> None:
        """Forgive the failures of a user who gave the right password; of the address only this one."""
        network = _network(address)
        self._addresses.forgive(network, all_of_them=False)
        self._users.forgive(user, all_of_them=True)
        self._known.pop((network, user), None)
        self._known[network, user] = None
        if len(self._known) > _KNOWN:
            del self._known[next(iter(self._known))]


def _network(address: str) -> str:
    """Return the network that counts as one client: the /64 of an IPv6 address."""
    if ":" not in address:
        return address
    return str(ipaddress.ip_network((address, 64), strict=False))
