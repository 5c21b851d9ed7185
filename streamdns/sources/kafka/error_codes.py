"""Puts Kafka's error codes into words that an administrator understands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

OUT_OF_RANGE, UNKNOWN_TOPIC, UNSUPPORTED_VERSION, ZSTD = 1, 3, 35, 76
#: Those that an administrator may meet.
ERRORS: Final[Mapping[int, str]] = {
    1: "the offset is out of range", 2: "a message is corrupt", 3: "there is no such topic or partition",
    5: "the partition has no leader", 6: "another broker leads the partition", 7: "the broker gave up waiting",
    9: "a replica is not available", 14: "the group coordinator is loading", 15: "there is no group coordinator",
    16: "another broker coordinates the group", 25: "the group has other members", 29: "no permission for the topic",
    30: "no permission for the group", 31: "no permission for the cluster",
    33: "the broker does not offer this SASL mechanism", 34: "the SASL handshake was out of order",
    35: "the broker does not serve this version of the request", 56: "the broker cannot read its disk",
    58: "the user or the password is wrong", 74: "the leader's epoch is older", 76: "the data is compressed with zstd",
    100: "the topic has another id",
}


def error_text(code: int) -> str:
    """Say an error code in words, with its number."""
    return f"{ERRORS.get(code, 'an error without a name here')} (Kafka error {code})"
