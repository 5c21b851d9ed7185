"""Settings of the admin API: their rows in the table, their parsers, and the checks of how they fit together."""

from __future__ import annotations

import ipaddress
import os
import re
from typing import Any, Final, NamedTuple

from streamdns.addresses import Address, UnixAddress
from streamdns.settings import parsers, secret_file
from streamdns.settings.resolver import Network, parse_networks
from streamdns.settings.row import Setting, bool_row, seconds_row

MIN_SECRET_BYTES: Final = 32
MIN_PASSWORD: Final = 8
MAX_PASSWORD_BYTES: Final = 1024
_UNIX: Final = "unix"
_REVOKED: Final = "revoked.json"
_KID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MAX_SOCKET_BYTES: Final = 107
_MAX_USER: Final = 128
#: Each of these says who may use the admin API.
_LOGIN: Final = ("admin_users", "admin_username", "admin_jwtsecret", "admin_jwtkeys")
_DEFAULT_USER: Final = "admin"


class Proxies(NamedTuple):
    """Proxies whose X-Forwarded-For is believed: the networks they are in, and whether all on the unix socket are."""

    networks: tuple[Network, ...] = ()
    unix: bool = False

    def __bool__(self) -> bool:
        return self.unix or bool(self.networks)

    def __str__(self) -> str:
        return " ".join([*map(str, self.networks), *([_UNIX] if self.unix else [])])


class KeyFile(NamedTuple):
    """A key for tokens: its id (the header kid) and the path of its file."""

    kid: str
    path: str

    def __str__(self) -> str:
        return f"{self.kid}={self.path}"


def parse_admin_address(text: str) -> Address | UnixAddress | None:
    """Parse one IP address and port, or unix:/path; "off" gives None."""
    if text.lower() == "off":
        return None
    if text.startswith("unix:"):
        path = parsers.parse_text(text.removeprefix("unix:"))
        if not path.startswith("/") or len(path.encode("utf-8", "surrogateescape")) > _MAX_SOCKET_BYTES:
            raise ValueError(f"is not an absolute path of at most {_MAX_SOCKET_BYTES} octets")
        return UnixAddress(path)
    return parsers.parse_address(text)


def parse_user(text: str) -> str:
    """Parse a user's name, which must not have colons and white space: these separate fields in lists and files."""
    parsers.parse_text(text)
    if len(text) > _MAX_USER or ":" in text or any(char.isspace() for char in text):
        raise ValueError(f"is longer than {_MAX_USER} characters, or has a colon or a space")
    return text


def parse_password(text: str) -> str:
    """Parse a password, as long as `streamdns user add` wants it."""
    if len(text) < MIN_PASSWORD or len(text.encode("utf-8", "surrogateescape")) > MAX_PASSWORD_BYTES:
        raise ValueError(f"has fewer than {MIN_PASSWORD} characters or more than {MAX_PASSWORD_BYTES} octets")
    return parsers.parse_text(text)


def parse_absolute(text: str) -> str:
    """Parse the path of a file that is the same one in whatever directory a command works."""
    if not text.startswith("/"):
        raise ValueError("is not an absolute path")
    return parsers.parse_text(text)


def parse_proxies(text: str) -> Proxies:
    """Parse networks or addresses of proxies, and "unix" for what connects over the unix socket."""
    words = text.replace(",", " ").split()
    others = [word for word in words if word.lower() != _UNIX]
    return Proxies(parse_networks(" ".join(others)) if others or not words else (), len(others) < len(words))


def parse_secret(text: str) -> str:
    """Parse a secret for signing: RFC 7518 §3.2 wants as many octets as the hash has."""
    if len(text.encode("utf-8", "surrogateescape")) < MIN_SECRET_BYTES:
        raise ValueError(f"has fewer than {MIN_SECRET_BYTES} octets")
    return parsers.parse_text(text)


#: The settings whose value a file can hold, their attributes and parsers.
_FILES: Final = (("DNS_ADMIN_PASSWORD", "admin_password", parse_password),
                 ("DNS_ADMIN_JWTSECRET", "admin_jwtsecret", parse_secret))


def parse_key_files(text: str) -> tuple[KeyFile, ...]:
    """Parse KID=PATH, separated by white space or comma; each KID once."""
    found: dict[str, KeyFile] = {}
    for word in text.replace(",", " ").split():
        kid, equals, path = word.partition("=")
        if not equals or not path or not _KID.fullmatch(kid):
            raise ValueError(f"has {word}, which is not of the form KID=PATH")
        if kid in found:
            raise ValueError(f"has {kid} twice")
        found[kid] = KeyFile(kid, path)
    if not found:
        raise ValueError("is an empty list")
    return tuple(found.values())


def _text(name: str, attribute: str, description: str, *, unset_means: str, allowed: str, **more: Any) -> Setting:
    row: dict[str, Any] = {"parse": parsers.parse_text, "default": "", "unset": ""} | more
    return Setting(name=name, attribute=attribute, description=description, unset_means=unset_means, allowed=allowed,
                   **row)


ADMIN: Final[tuple[Setting, ...]] = (
    Setting(
        name="DNS_ADMIN_ADDRESS", attribute="admin_address", parse=parse_admin_address, default="127.0.0.1:8054",
        description="The address at which the admin API is served. Every address but loopback and a unix socket needs "
                    "users or a key for tokens.",
        allowed="an address and port (127.0.0.1:8054, [::1]:8054), unix:/run/streamdns/admin.sock, or off",
    ),
    bool_row("DNS_ADMIN_INSECURE", "admin_insecure", "false",
             "Serve the admin API without authentication on an address that others can reach."),
    _text("DNS_ADMIN_USERS", "admin_users", "The file of the users who may sign in to the admin API; `streamdns user` "
          "writes it, and a change counts at once.", unset_means="none", allowed="a path of a file"),
    _text("DNS_ADMIN_USERNAME", "admin_username", "The name of one more user, with the role admin.",
          unset_means="admin, where DNS_ADMIN_PASSWORD is set",
          allowed=f"text of at most {_MAX_USER} characters without colons and spaces", parse=parse_user),
    _text("DNS_ADMIN_PASSWORD", "admin_password", "The password of DNS_ADMIN_USERNAME.",
          unset_means="the content of DNS_ADMIN_PASSWORD_FILE", parse=parse_password, secret=True,
          allowed=f"text of at least {MIN_PASSWORD} characters and at most {MAX_PASSWORD_BYTES} octets"),
    _text("DNS_ADMIN_PASSWORD_FILE", "admin_password_file", "A file that holds the password; a line end at its end "
          "does not count.", unset_means="none", allowed="a path of a file, and DNS_ADMIN_PASSWORD unset"),
    _text("DNS_ADMIN_JWTSECRET", "admin_jwtsecret", "The secret that signs tokens (HS256, kid `secret`); nodes that "
          "share it accept each other's tokens.",
          unset_means="the content of DNS_ADMIN_JWTSECRET_FILE", parse=parse_secret, secret=True, reload=True,
          allowed=f"text of at least {MIN_SECRET_BYTES} octets"),
    _text("DNS_ADMIN_JWTSECRET_FILE", "admin_jwtsecret_file", "A file that holds the secret; a line end at its end "
          "does not count.", unset_means="none", allowed="a path of a file, and DNS_ADMIN_JWTSECRET unset",
          reload=True),
    Setting(
        name="DNS_ADMIN_JWTKEYS", attribute="admin_jwtkeys", parse=parse_key_files, default="", unset=(), reload=True,
        unset_means="only DNS_ADMIN_JWTSECRET",
        description="More keys for tokens, each with its kid. The first key that can sign signs new tokens; tokens "
                    "signed with any of them are accepted. To change keys, put the new one in front, and remove the "
                    "old one when its tokens have expired.",
        allowed="KID=PATH of files with an Ed25519 key (PEM, private or public) or a secret of at least "
                f"{MIN_SECRET_BYTES} octets, separated by space or comma",
    ),
    _text("DNS_ADMIN_REVOKED", "admin_revoked", "The file of revoked tokens; `streamdns token revoke` writes it, and a "
          "change counts at once.", unset_means="revoked.json beside the directory DNS_PATHDB", parse=parse_absolute,
          allowed="an absolute path of a file"),
    Setting(
        name="DNS_ADMIN_TRUSTED_PROXIES", attribute="admin_trusted_proxies", parse=parse_proxies, default="",
        unset=Proxies(), unset_means="none", reload=True,
        description="The proxies in front of the admin API: from them X-Forwarded-For says from which address somebody "
                    "signs in, and X-Forwarded-Proto whether with TLS.",
        allowed="CIDRs or addresses, or unix for a proxy on the unix socket, separated by space or comma",
    ),
    seconds_row("DNS_ADMIN_SESSION", "admin_session_s", (60, 2592000), "43200",
                "How long a user stays signed in."),
    _text("DNS_ADMIN_TLS_CERT", "admin_tls_cert", "The certificate of the admin API, with its intermediate "
          "certificates; the file is read again at SIGHUP.", unset_means="no TLS", allowed="a path of a PEM file",
          reload=True),
    _text("DNS_ADMIN_TLS_KEY", "admin_tls_key", "The private key of DNS_ADMIN_TLS_CERT; read again at SIGHUP.",
          unset_means="in the file of the certificate", allowed="a path of a PEM file without a password",
          reload=True),
)


def needs_login(values: Any) -> bool:
    """Return whether any setting says who may use the admin API; takes settings by attribute, or Settings."""
    get = values.get if isinstance(values, dict) else lambda name: getattr(values, name)
    return any(get(name) for name in _LOGIN)


def is_local(address: Address | UnixAddress) -> bool:
    """Return whether an address can be reached from this machine only."""
    return isinstance(address, UnixAddress) or ipaddress.ip_address(address.host).is_loopback


def settle(values: dict[str, Any], *, problems: list[str], warnings: list[str]) -> None:
    """Check and complete settings that depend on each other; `values` lacks those that could not be parsed."""
    for name, attribute, parse in _FILES:
        secret_file.settle(name, attribute, values, problems, parse=parse)
    if values.get("admin_revoked") == "" and values.get("pathdb"):
        values["admin_revoked"] = os.path.join(os.path.dirname(values["pathdb"].rstrip("/")), _REVOKED)
    if values.get("admin_password") and not values.get("admin_username"):
        values["admin_username"] = _DEFAULT_USER
    elif values.get("admin_username") and values.get("admin_password") == "":
        warnings.append("DNS_ADMIN_USERNAME has no password, so this user cannot sign in: set DNS_ADMIN_PASSWORD")
    if any(key.kid == "secret" for key in values.get("admin_jwtkeys") or ()) and values.get("admin_jwtsecret"):
        problems.append("DNS_ADMIN_JWTKEYS has the kid secret, which DNS_ADMIN_JWTSECRET uses; allowed: another kid")
    if values.get("admin_tls_key") and values.get("admin_tls_cert") == "":
        warnings.append("DNS_ADMIN_TLS_KEY has no effect without DNS_ADMIN_TLS_CERT")
    address = values.get("admin_address")
    if address is None or is_local(address) or any(name not in values for name in _LOGIN):
        return
    if not needs_login(values):
        if not values.get("admin_insecure"):
            problems.append(
                f"DNS_ADMIN_ADDRESS={address} can be reached from elsewhere, and nothing says who may use the admin "
                "API; allowed: a loopback address or unix:/path, or one of DNS_ADMIN_USERS, DNS_ADMIN_USERNAME, "
                "DNS_ADMIN_JWTSECRET and DNS_ADMIN_JWTKEYS, or DNS_ADMIN_INSECURE=true"
            )
    elif not values.get("admin_tls_cert"):
        warnings.append(f"DNS_ADMIN_ADDRESS={address} is served without TLS: others on the network can read passwords "
                        "and tokens; set DNS_ADMIN_TLS_CERT")
