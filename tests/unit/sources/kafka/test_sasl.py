"""SCRAM against the examples of its own RFCs, and against a broker that does not keep to it."""

from __future__ import annotations

import pytest

from streamdns.sources.kafka.sasl import Scram, ScramError, plain

#: The exchange in RFC 7677 §3.
NONCE = "rOprNGfwEbeRWgbNEkqO"
CHALLENGE = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
PROOF = (b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
         b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
LAST = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


@pytest.fixture
def scram() -> Scram:
    return Scram("SCRAM-SHA-256", user="user", password="pencil", nonce=NONCE)


def test_the_example_of_the_rfc(scram: Scram) -> None:
    assert scram.first() == b"n,,n=user,r=" + NONCE.encode()
    assert scram.final(CHALLENGE) == PROOF
    scram.verify(LAST)


@pytest.mark.parametrize("last", [b"", b"v=", b"v=x", b"v=" + b"A" * 44, b"\xff", LAST.replace(b"6", b"7")])
def test_a_broker_that_does_not_know_the_password(scram: Scram, last: bytes) -> None:
    scram.final(CHALLENGE)
    with pytest.raises(ScramError):
        scram.verify(last)


@pytest.mark.parametrize(
    "challenge",
    [b"", b"\xff", b"r=other,s=AAAA,i=4096", f"r={NONCE},s=AAAA,i=4096".encode(), f"r={NONCE}x,i=4096".encode(),
     f"r={NONCE}x,s=AAAA,i=0".encode(), f"r={NONCE}x,s=AAAA,i=99999999".encode(), f"r={NONCE}x,s=AAAA,i=x".encode()],
)
def test_a_challenge_that_makes_no_sense(scram: Scram, challenge: bytes) -> None:
    with pytest.raises(ScramError):
        scram.final(challenge)


def test_names_are_escaped() -> None:
    assert Scram("SCRAM-SHA-512", user="a=b,c", password="", nonce="n").first() == b"n,,n=a=3Db=2Cc,r=n"


def test_plain() -> None:
    assert plain("alice", "secret") == b"\0alice\0secret"
