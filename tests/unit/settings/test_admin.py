"""Who may use the admin API, as the settings say it."""

from __future__ import annotations

import pytest

from streamdns.errors import ConfigError
from streamdns.settings import load
from streamdns.settings.admin import needs_login
from tests.unit.settings.examples_admin import SOME_FILE, SOME_TEXT, content

LOGINS = {
    "DNS_ADMIN_USERS": "/etc/users", "DNS_ADMIN_PASSWORD": "correct horse", "DNS_ADMIN_JWTSECRET": SOME_TEXT,
    "DNS_ADMIN_JWTKEYS": "k=/etc/key",
}
OUTSIDE = ["0.0.0.0:8054", "[::]:8054", "192.0.2.1:8054", "[2001:db8::1]:8054"]


@pytest.mark.parametrize("address", OUTSIDE)
def test_an_address_of_others_needs_to_know_who_may(address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load({"DNS_ADMIN_ADDRESS": address})
    (problem,) = caught.value.problems
    assert problem.startswith(f"DNS_ADMIN_ADDRESS={address} can be reached from elsewhere, and nothing says who may")


@pytest.mark.parametrize("name", LOGINS)
def test_any_login_is_enough(name: str) -> None:
    loaded = load({"DNS_ADMIN_ADDRESS": OUTSIDE[0], name: LOGINS[name]})
    assert needs_login(loaded)
    assert any("without TLS" in warning for warning in loaded.warnings)


def test_who_insists_is_served_insecurely() -> None:
    loaded = load({"DNS_ADMIN_ADDRESS": OUTSIDE[0], "DNS_ADMIN_INSECURE": "true"})
    assert not needs_login(loaded)


@pytest.mark.parametrize("address", ["127.0.0.1:8054", "127.9.9.9:1", "[::1]:8054", "unix:/run/admin.sock", "off"])
def test_near_addresses_need_nothing(address: str) -> None:
    assert not load({"DNS_ADMIN_ADDRESS": address}).warnings


def test_what_files_hold_counts() -> None:
    loaded = load({"DNS_ADMIN_PASSWORD_FILE": SOME_FILE, "DNS_ADMIN_JWTSECRET_FILE": SOME_FILE})
    assert (loaded.admin_password, loaded.admin_jwtsecret) == (content(), content())
    assert loaded.admin_username == "admin"


@pytest.mark.parametrize("name", ["DNS_ADMIN_PASSWORD", "DNS_ADMIN_JWTSECRET"])
def test_a_value_and_a_file_are_one_too_many(name: str) -> None:
    with pytest.raises(ConfigError, match="both set"):
        load({name: SOME_TEXT, f"{name}_FILE": SOME_FILE})


def test_a_kid_is_the_secrets_own() -> None:
    with pytest.raises(ConfigError, match="kid secret"):
        load({"DNS_ADMIN_JWTSECRET": SOME_TEXT, "DNS_ADMIN_JWTKEYS": "secret=/etc/key"})


def test_a_user_without_a_password_is_told() -> None:
    assert any("no password" in warning for warning in load({"DNS_ADMIN_USERNAME": "a"}).warnings)


def test_secrets_are_shown_nowhere() -> None:
    loaded = load({"DNS_ADMIN_PASSWORD": "swordfish", "DNS_ADMIN_JWTSECRET": SOME_TEXT})
    shown = repr(loaded) + str(loaded.masked())
    assert "swordfish" not in shown
    assert SOME_TEXT not in shown


@pytest.mark.parametrize(("pathdb", "path"), [
    ("", "./var/revoked.json"), ("/var/lib/streamdns/view", "/var/lib/streamdns/revoked.json"),
    ("/srv/view/", "/srv/revoked.json"), ("view", "revoked.json"),
])
def test_the_list_of_revoked_tokens_lies_beside_the_view(pathdb: str, path: str) -> None:
    assert load({"DNS_PATHDB": pathdb}).admin_revoked == path
