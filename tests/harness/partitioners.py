"""Chooses the partition of a key as producers do, by the definitions of their hash functions."""

from __future__ import annotations

import zlib

_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(key: bytes) -> int:
    """MurmurHash2 of 32 bits with the seed that Kafka's Java clients have, as an unsigned number."""
    whole = len(key) & ~3
    state = 0x9747B28C ^ len(key)
    for at in range(0, whole, 4):
        word = int.from_bytes(key[at : at + 4], "little") * _M & _MASK
        word = (word ^ word >> 24) * _M & _MASK
        state = state * _M & _MASK ^ word
    if len(key) > whole:
        state = (state ^ int.from_bytes(key[whole:], "little")) * _M & _MASK
    state = (state ^ state >> 13) * _M & _MASK
    return state ^ state >> 15


def java(key: bytes, partitions: int) -> int:
    """Java's default: the sign bit is dropped."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def librdkafka(key: bytes, partitions: int) -> int:
    """librdkafka's default: CRC-32."""
    return zlib.crc32(key) % partitions


def sarama(key: bytes, partitions: int) -> int:
    """Sarama's default: FNV-1a of 32 bits; a negative number loses its sign."""
    state = 0x811C9DC5
    for octet in key:
        state = (state ^ octet) * 0x01000193 & _MASK
    return abs(state - (state >> 31 << 32)) % partitions
