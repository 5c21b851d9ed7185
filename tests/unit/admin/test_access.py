"""Users, tokens, what is revoked, and delays: the parts of the admin API's log-in."""

from __future__ import annotations

import stat
import time
from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from streamdns.admin.access import users
from streamdns.admin.access.files import Watched
from streamdns.admin.access.local_token import token_of
from streamdns.admin.access.revoked import Entry, Revoked
from streamdns.admin.access.throttle import FREE, Throttle
from streamdns.admin.access.tokens import BadToken, Key, Keyring, keyring_of, random_keyring
from streamdns.admin.http.route import Principal, Role
from streamdns.dns import name
from streamdns.errors import ConfigError
from streamdns.settings import load
from tests.harness import wait_until

SECRET = "a secret of more than thirty-two octets"
FAR_S = 4_000_000_000.0


def wire(text: str) -> bytes:
    return name.from_text(text).lower()


# -- what a principal may see


@pytest.mark.parametrize(
    ("zone", "qname", "seen"),
    [
        ("example.org.", "example.org.", True),
        ("example.org.", "a.b.example.org.", True),
        ("example.org.", "notexample.org.", False),
        ("example.org.", "org.", False),
        ("example.org.", "example.org.evil.", False),
        (".", "anything.at.all.", True),
        # The octets of the zone, but not where labels begin.
        ("c.", r"ab\001c.", False),
    ],
)
def test_labels_decide_what_a_principal_may_see(zone: str, qname: str, seen: bool) -> None:
    assert Principal("p", Role.VIEWER, (wire(zone),)).may_see(wire(qname)) is seen


def test_case_does_not_decide() -> None:
    assert Principal("p", Role.VIEWER, (wire("example.org."),)).may_see(name.from_text("WWW.Example.ORG."))
    assert Principal("p", Role.VIEWER).may_see(wire("example.org."))
    assert not Principal("p", Role.VIEWER, ()).may_see(wire("example.org."))


# -- users


def test_a_file_of_users(tmp_path: Path) -> None:
    path = str(tmp_path / "deep" / "users")
    assert users.add(path, "alice", role=Role.OPERATOR, password="correct horse")
    assert users.add(path, "bob", role=Role.VIEWER, password="battery staple")
    assert not users.add(path, "alice", role=Role.ADMIN, password="another horse")
    found = Watched(path, users.parse).get()
    assert {user.name: user.role for user in found.values()} == {"alice": Role.ADMIN, "bob": Role.VIEWER}
    assert found["alice"].password.matches("another horse")
    assert not found["alice"].password.matches("correct horse")
    assert stat.S_IMODE((tmp_path / "deep" / "users").stat().st_mode) == 0o600
    assert "horse" not in (tmp_path / "deep" / "users").read_text()
    assert users.remove(path, "alice")
    assert not users.remove(path, "alice")
    assert set(Watched(path, users.parse).get()) == {"bob"}


def test_no_two_hashes_of_a_password_are_alike() -> None:
    one, other = users.hashed("swordfish"), users.hashed("swordfish")
    assert one.digest != other.digest
    assert one.generation() != other.generation()
    assert (one.n, one.r, one.p) == (users.nobody().n, users.nobody().r, users.nobody().p)
    assert not users.nobody().matches("")


@pytest.mark.parametrize(
    "line",
    ["alice", "alice:root:scrypt$2$1$1$$", "alice:admin:md5$x", "a b:admin:x", "alice:ADMIN:x", "alice:public:x",
     "alice:admin:scrypt$3$8$1$YWFh$YWFh", "alice:admin:scrypt$1048576$64$1$YWFh$YWFh", "alice:admin:scrypt$2$1$1$!$!",
     "alice:admin:scrypt$-2$1$1$YWFh$YWFh", "alice:admin:scrypt$16384$8$5$YWFh$YWFh"],
)
def test_a_line_that_is_none_is_named(line: str) -> None:
    with pytest.raises(ValueError, match="line 2 "):
        users.parse(f"# users\n{line}\n".encode())


# -- tokens


def keyring(**environ: str) -> Keyring:
    return keyring_of(load(environ))


def test_a_token_says_what_was_put_in() -> None:
    ring = keyring(DNS_ADMIN_JWTSECRET=SECRET)
    token, made = ring.issue("ci", Role.VIEWER, now_s=FAR_S - 100, expires_s=100, zones=("example.org.",))
    with pytest.raises(BadToken, match="of the future: the clock of who made it or of this node is wrong"):
        ring.verify(token)
    token, made = ring.issue("ci", Role.VIEWER, now_s=1_000_000_000, expires_s=FAR_S, zones=("example.org.",))
    said = ring.verify(token)
    assert said == made
    assert said.principal() == Principal("ci", Role.VIEWER, (wire("example.org."),))
    plain = jwt.decode(token, SECRET, algorithms=["HS256"], audience="streamdns-admin")
    assert set(plain) == {"sub", "role", "jti", "exp", "iat", "zones", "iss", "aud"}
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT", "kid": "secret"}
    with pytest.raises(BadToken):
        random_keyring().verify(token)


def test_a_token_that_was_taken_ends_in_time_and_a_change_of_it_is_seen() -> None:
    """However often it was taken before."""
    ring = random_keyring()
    token, _ = ring.issue("ci", Role.VIEWER, now_s=time.time() - 100, expires_s=98)
    other, _ = ring.issue("ci", Role.ADMIN, now_s=time.time(), expires_s=600)
    head, said, signature = token.split(".")
    for _ in range(3):
        assert ring.verify(token).role == "viewer"
        for forged in (f"{head}.{other.split('.')[1]}.{signature}", f"{head}.{said}.{other.split('.')[2]}"):
            with pytest.raises(BadToken, match="not valid"):
                ring.verify(forged)

    def ended() -> bool:
        try:
            ring.verify(token)
        except BadToken as error:
            return "ended" in str(error)
        return False

    wait_until(ended, "the token has ended")
    for number in range(1000):
        assert ring.verify(ring.issue(str(number), Role.VIEWER, now_s=time.time(), expires_s=60)[0]).sub == str(number)


def test_ed25519_private_and_public(tmp_path: Path) -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    (tmp_path / "private").write_bytes(private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "public").write_bytes(public)
    token, made = keyring(DNS_ADMIN_JWTKEYS=f"k={tmp_path}/private").issue("a", Role.ADMIN, now_s=1e9, expires_s=FAR_S)
    verifying = keyring(DNS_ADMIN_JWTKEYS=f"k={tmp_path}/public")
    assert verifying.verify(token) == made
    with pytest.raises(ConfigError, match="no key can sign"):
        verifying.issue("a", Role.ADMIN, now_s=1e9, expires_s=1)
    assert token_of(load({"DNS_ADMIN_JWTKEYS": f"k={tmp_path}/public"})) == ""
    # A public key is no secret: a token signed with its text is not taken.
    forged = Keyring((Key("k", "HS256", None, b"x" * 32),)).issue("a", Role.ADMIN, now_s=1e9, expires_s=FAR_S)[0]
    with pytest.raises(BadToken):
        verifying.verify(forged)


def test_the_first_key_that_can_sign_signs_and_all_are_taken(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("1" * 32 + "\n")
    (tmp_path / "two").write_text("2" * 32)
    both = keyring(DNS_ADMIN_JWTKEYS=f"b={tmp_path}/two,a={tmp_path}/one", DNS_ADMIN_JWTSECRET=SECRET)
    token, _ = both.issue("a", Role.VIEWER, now_s=1e9, expires_s=FAR_S)
    assert jwt.get_unverified_header(token)["kid"] == "b"
    for ring in (keyring(DNS_ADMIN_JWTKEYS=f"a={tmp_path}/one"), keyring(DNS_ADMIN_JWTSECRET=SECRET)):
        both.verify(ring.issue("a", Role.VIEWER, now_s=1e9, expires_s=FAR_S)[0])


def test_files_that_hold_no_key(tmp_path: Path) -> None:
    (tmp_path / "short").write_text("x" * 31)
    (tmp_path / "pem").write_text("-----BEGIN PRIVATE KEY-----\nnothing\n-----END PRIVATE KEY-----\n")
    (tmp_path / "rsa").write_bytes(rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    paths = [f"k{number}={tmp_path}/{name}" for number, name in enumerate(("short", "pem", "rsa", "nowhere"))]
    with pytest.raises(ConfigError) as caught:
        keyring(DNS_ADMIN_JWTKEYS=" ".join(paths))
    said = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 4
    for phrase in ("fewer than 32 octets", "no PEM key", "not Ed25519", "cannot be read: no such file"):
        assert phrase in said


def test_settings_with_a_secret_make_their_own_token() -> None:
    settings = load({"DNS_ADMIN_JWTSECRET": SECRET})
    assert keyring_of(settings).verify(token_of(settings)).role == "viewer"
    assert token_of(load({})) == ""


@pytest.mark.parametrize("changes", [{"zones": ["a..b"]}, {"role": "public"}, {"role": "root"}, {"role": "Admin"}])
def test_claims_that_say_what_cannot_be(changes: dict[str, Any]) -> None:
    said = {"sub": "a", "role": "viewer", "jti": "x", "iss": "streamdns", "aud": "streamdns-admin", "iat": 1,
            "exp": int(FAR_S)} | changes
    token = jwt.encode(said, SECRET, algorithm="HS256", headers={"kid": "secret"})
    claims = keyring(DNS_ADMIN_JWTSECRET=SECRET).verify(token)
    with pytest.raises(BadToken):
        claims.principal()


# -- revoked tokens


def test_what_is_revoked_stays_so_until_it_ends(tmp_path: Path) -> None:
    path = str(tmp_path / "revoked.json")
    one, other = Revoked(path), Revoked(path)
    assert not one.has("a")
    other.add(Entry("a", exp=100, at=10, by="x"))
    assert one.has("a")
    other.add(Entry("b", exp=300, at=99, by="x"))
    assert one.has("a")
    assert one.has("b")
    one.add(Entry("c", exp=300, at=101, by="x"))
    assert not other.has("a")
    assert [entry.jti for entry in other.entries()] == ["c", "b"]


@pytest.mark.parametrize("again", [False, True])
def test_a_list_that_was_there_and_is_gone_revokes_everything(tmp_path: Path, again: bool) -> None:
    """Also for a process that has not seen it; an empty file begins a new one."""
    path = tmp_path / "revoked.json"
    revoked = Revoked(str(path))
    revoked.add(Entry("a", exp=100, at=10, by="x"))
    path.unlink()
    if again:
        revoked = Revoked(str(path))
    for use in (lambda: revoked.has("b"), lambda: revoked.add(Entry("b", exp=100, at=10, by="x")), revoked.entries):
        with pytest.raises(FileNotFoundError, match="the list is gone"):
            use()
    path.touch()
    assert not revoked.has("a")


def test_a_list_that_somebody_else_put_there_is_remembered(tmp_path: Path) -> None:
    path = tmp_path / "revoked.json"
    path.write_text('{"revoked": [{"jti": "a", "exp": 9, "at": 1, "by": "x"}]}')
    Revoked(str(path)).remember()
    path.unlink()
    with pytest.raises(FileNotFoundError, match="the list is gone"):
        Revoked(str(path)).has("a")


def test_who_signs_out_all_the_time_fills_no_list_and_everybody_else_can(tmp_path: Path) -> None:
    """What he signed in before is gone, what he signs in now is not; tokens that were revoked on purpose stay."""
    revoked = Revoked(str(tmp_path / "revoked.json"))
    revoked.add(Entry("on-purpose", exp=10_000, at=1, by="alice"))
    for now_s in range(100, 400):
        revoked.sign_out(f"session-{now_s}", exp=now_s + 5000, now_s=now_s, user="alice")
        assert revoked.has(f"session-{now_s}", session_of="alice", begun_s=now_s)
    assert len(revoked.entries()) < 60
    for now_s in range(100, 400):
        assert revoked.has(f"session-{now_s}", session_of="alice", begun_s=now_s - 1)
    assert revoked.has("on-purpose")
    assert not revoked.has("another", session_of="alice", begun_s=400)
    assert not revoked.has("another", session_of="bob", begun_s=100)
    assert not revoked.has("a token of a program")
    revoked.sign_out("session-bob", exp=9000, now_s=400, user="bob")
    assert revoked.has("session-bob", session_of="bob", begun_s=399)


def test_a_full_list_makes_room_for_who_signs_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamdns.admin.access.revoked._MOST_BY_SIGNING_OUT", 10)
    revoked = Revoked(str(tmp_path / "revoked.json"))
    for number in range(20):
        for user in ("alice", "bob"):
            revoked.sign_out(f"{user}-{number}", exp=5000, now_s=100 + number, user=user)
    assert len(revoked.entries()) <= 12
    for number in range(20):
        assert revoked.has(f"bob-{number}", session_of="bob", begun_s=99 + number)


@pytest.mark.parametrize("content", ["{", "[]", '{"revoked": [{"jti": "a"}]}', '{"revoked": [], "more": 1}', "\x00"])
def test_a_list_that_cannot_be_understood_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "revoked.json").write_text(content)
    revoked = Revoked(str(tmp_path / "revoked.json"))
    with pytest.raises(msgspec.MsgspecError):
        revoked.has("a")
    with pytest.raises(msgspec.MsgspecError):
        revoked.add(Entry("a", 2, 1, "x"))
    assert (tmp_path / "revoked.json").read_text() == content


# -- delays


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def fail(throttle: Throttle, times: int, *, address: str = "192.0.2.1", user: str = "alice") -> None:
    for _ in range(times):
        throttle.failed(address, user)


def test_the_delay_grows_and_ends() -> None:
    clock = Clock()
    throttle = Throttle(clock, bytes)
    fail(throttle, FREE - 1)
    assert throttle.wait_s("192.0.2.1", "alice") == 0
    waits = []
    for _ in range(12):
        fail(throttle, 1)
        waits.append(throttle.wait_s("192.0.2.1", "alice"))
        clock.now_s += waits[-1]
        assert throttle.wait_s("192.0.2.1", "alice") == 0
    assert waits[:5] == [1, 2, 4, 8, 16]
    assert waits[-1] == 60
    clock.now_s += 1000
    fail(throttle, 1)
    assert throttle.wait_s("192.0.2.1", "alice") == 0


def test_addresses_and_users_count_apart() -> None:
    throttle = Throttle(Clock(), bytes)
    fail(throttle, 9)
    assert throttle.wait_s("192.0.2.1", "bob") == 60
    assert throttle.wait_s("198.51.100.1", "alice") == 10
    assert throttle.wait_s("198.51.100.1", "bob") == 0


def test_an_address_that_a_user_signed_in_from_does_not_wait_for_strangers() -> None:
    throttle = Throttle(Clock(), bytes)
    throttle.succeeded("203.0.113.7", "alice")
    fail(throttle, 9)
    assert throttle.wait_s("203.0.113.7", "alice") == 0
    assert throttle.wait_s("203.0.113.8", "alice") == 10


def test_one_who_is_known_does_not_wait_for_others_at_his_address() -> None:
    """Behind a proxy, or on a unix socket, all have one address."""
    throttle = Throttle(Clock(), bytes)
    throttle.succeeded("", "alice")
    fail(throttle, 20, address="", user="nobody")
    assert throttle.wait_s("", "alice") == 0
    assert throttle.wait_s("", "bob") == 60
    fail(throttle, 9, address="", user="alice")
    assert throttle.wait_s("", "alice") == 10
    assert throttle.wait_s("203.0.113.7", "alice") == 0


def test_a_password_that_nobody_looked_at_is_not_a_wrong_one() -> None:
    """Whether its user is known there or not, and whatever was wrong before."""
    clock = Clock()
    throttle = Throttle(clock, bytes)
    for _ in range(20):
        throttle.take_back(throttle.failed("192.0.2.1", "alice"))
    assert throttle.wait_s("192.0.2.1", "alice") == 0
    fail(throttle, FREE)
    assert throttle.wait_s("192.0.2.1", "alice") == 1
    clock.now_s += 1
    throttle.take_back(throttle.failed("192.0.2.1", "alice"))
    assert throttle.wait_s("192.0.2.1", "alice") == 0


def test_one_who_may_does_not_free_his_address_to_try_others() -> None:
    throttle = Throttle(Clock(), bytes)
    for _ in range(10):
        fail(throttle, 2, user="admin")
        fail(throttle, 1, user="mallory")
        throttle.succeeded("192.0.2.1", "mallory")
    assert throttle.wait_s("192.0.2.1", "admin") == 60


def test_a_whole_network_of_ipv6_is_one_address() -> None:
    throttle = Throttle(Clock(), bytes)
    fail(throttle, 9, address="2001:db8::1")
    assert throttle.wait_s("2001:db8::ffff:1", "bob") == 60
    assert throttle.wait_s("2001:db8:0:1::1", "bob") == 0


def test_who_is_right_many_times_never_waits() -> None:
    throttle = Throttle(Clock(), bytes)
    for _ in range(50):
        assert throttle.wait_s("", "alice") == 0
        fail(throttle, 1, address="")
        throttle.succeeded("", "alice")
