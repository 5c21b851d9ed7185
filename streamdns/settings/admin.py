"""The rows of the settings table that are about the admin API, and what must hold between them."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Final, NamedTuple

from streamdns.addresses import Address
from streamdns.settings import parsers
from streamdns.settings.row import Setting, bool_row, seconds_row

MIN_SECRET_BYTES: Final = 32
_KID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MAX_SOCKET_BYTES: Final = 107
_MAX_USER: Final = 128
#: Any of these says who may use the admin API.
_LOGIN: Final = ("admin_users", "admin_username", "admin_jwtsecret", "admin_jwtkeys")
_DEFAULT_USER: Final = "admin"
#: The setting whose value a file can hold, and its attribute.
_FILES: Final = (("DNS_ADMIN_PASSWORD", "admin_password"), ("DNS_ADMIN_JWTSECRET", "admin_jwtsecret"))


class UnixAddress(NamedTuple):
    """The path of a unix socket to listen on."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


class KeyFile(NamedTuple):
    """A key for tokens: its id (the header kid) and the file that has it."""

    kid: str
    path: str

    def __str__(self) -> str:
        return f"{self.kid}={self.path}"


def parse_admin_address(text: str) -> Address | UnixAddress | None:
    """One IP address and port, unix:/path, or None for "off"."""
    if text.lower() == "off":
        return None
    if text.startswith("unix:"):
        path = parsers.parse_text(text.removeprefix("unix:"))
        if not path.startswith("/") or len(path.encode("utf-8", "surrogateescape")) > _MAX_SOCKET_BYTES:
            raise ValueError(f"is no absolute path of at most {_MAX_SOCKET_BYTES} octets")
        return UnixAddress(path)
    return parsers.parse_address(text)


def parse_user(text: str) -> str:
    """A user's name: without a colon and white space, which lists and files keep for themselves."""
    parsers.parse_text(text)
    if len(text) > _MAX_USER or ":" in text or any(char.isspace() for char in text):
        raise ValueError(f"is longer than {_MAX_USER} characters, or has a colon or a space")
    return text


def parse_secret(text: str) -> str:
    """A secret for signing: RFC 7518 §3.2 wants as many octets as the hash has."""
    if len(text.encode("utf-8", "surrogateescape")) < MIN_SECRET_BYTES:
        raise ValueError(f"has fewer than {MIN_SECRET_BYTES} octets")
    return parsers.parse_text(text)


def parse_key_files(text: str) -> tuple[KeyFile, ...]:
    """KID=PATH, separated by white space or comma; each KID once."""
    found: dict[str, KeyFile] = {}
    for word in text.replace(",", " ").split():
        kid, equals, path = word.partition("=")
        if not equals or not path or not _KID.fullmatch(kid):
            raise ValueError(f"has {word}, which is not of the form KID=PATH")
        if kid in found:
            raise ValueError(f"has {kid} twice")
        found[kid] = KeyFile(kid, path)
    if not found:
        raise ValueError("names nothing")
    return tuple(found.values())


def _text(name: str, attribute: str, description: str, *, unset_means: str, allowed: str, **more: Any) -> Setting:
    row: dict[str, Any] = {"parse": parsers.parse_text, "default": "", "unset": ""} | more
    return Setting(name=name, attribute=attribute, description=description, unset_means=unset_means, allowed=allowed,
                   **row)


ADMIN: Final[tuple[Setting, ...]] = (
    Setting(
        name="DNS_ADMIN_ADDRESS", attribute="admin_address", parse=parse_admin_address, default="127.0.0.1:8054",
        description="Where the admin API is served. Anything but a loopback address or a unix socket needs users or a "
                    "key for tokens.",
        allowed="an address and port (127.0.0.1:8054, [::1]:8054), unix:/run/streamdns/admin.sock, or off",
    ),
    bool_row("DNS_ADMIN_INSECURE", "admin_insecure", "false",
             "Serve the admin API without authentication on an address that others can reach."),
    _text("DNS_ADMIN_USERS", "admin_users", "The file of those who may sign in to the admin API; `streamdns user` "
          "writes it, and a change counts at once.", unset_means="none", allowed="a path of a file"),
    _text("DNS_ADMIN_USERNAME", "admin_username", "One more user, who is an admin.",
          unset_means="admin, where DNS_ADMIN_PASSWORD is set",
          allowed=f"text of at most {_MAX_USER} characters without colons and spaces", parse=parse_user),
    _text("DNS_ADMIN_PASSWORD", "admin_password", "The password of DNS_ADMIN_USERNAME.",
          unset_means="what DNS_ADMIN_PASSWORD_FILE has", allowed="text", secret=True),
    _text("DNS_ADMIN_PASSWORD_FILE", "admin_password_file", "A file that holds the password; an end of line at its end "
          "is left out.", unset_means="none", allowed="a path of a file, and DNS_ADMIN_PASSWORD unset"),
    _text("DNS_ADMIN_JWTSECRET", "admin_jwtsecret", "The secret that tokens are signed with (HS256, kid `secret`); "
          "nodes that share it take each other's tokens.",
          unset_means="what DNS_ADMIN_JWTSECRET_FILE has", parse=parse_secret, secret=True, reload=True,
          allowed=f"text of at least {MIN_SECRET_BYTES} octets"),
    _text("DNS_ADMIN_JWTSECRET_FILE", "admin_jwtsecret_file", "A file that holds the secret; an end of line at its end "
          "is left out.", unset_means="none", allowed="a path of a file, and DNS_ADMIN_JWTSECRET unset", reload=True),
    Setting(
        name="DNS_ADMIN_JWTKEYS", attribute="admin_jwtkeys", parse=parse_key_files, default="", unset=(), reload=True,
        unset_means="only DNS_ADMIN_JWTSECRET",
        description="More keys for tokens, each with its kid; the first that can sign signs, all are taken. To change "
                    "keys, put the new one in front, and take the old one away when its tokens have ended.",
        allowed="KID=PATH of files with an Ed25519 key (PEM, private or public) or a secret of at least "
                f"{MIN_SECRET_BYTES} octets, separated by space or comma",
    ),
    _text("DNS_ADMIN_REVOKED", "admin_revoked", "The file of revoked tokens; `streamdns token revoke` writes it, and a "
          "change counts at once.", unset_means="", default="./var/revoked.json", allowed="a path of a file"),
    seconds_row("DNS_ADMIN_SESSION", "admin_session_s", (60, 2592000), "43200",
                "How long whoever signs in stays signed in."),
    _text("DNS_ADMIN_TLS_CERT", "admin_tls_cert", "The certificate of the admin API, with those that lead to its "
          "root; the file is read again at SIGHUP.", unset_means="no TLS", allowed="a path of a PEM file", reload=True),
    _text("DNS_ADMIN_TLS_KEY", "admin_tls_key", "The key of DNS_ADMIN_TLS_CERT; the file is read again at SIGHUP.",
          unset_means="in the file of the certificate", allowed="a path of a PEM file without a password",
          reload=True),
)


def needs_login(values: Any) -> bool:
    """Whether anything says who may use the admin API: settings by attribute, or Settings."""
    get = values.get if isinstance(values, dict) else lambda name: getattr(values, name)
    return any(get(name) for name in _LOGIN)


def is_local(address: Address | UnixAddress) -> bool:
    """Whether only this machine reaches it."""
    return isinstance(address, UnixAddress) or ipaddress.ip_address(address.host).is_loopback


def settle(values: dict[str, Any], *, problems: list[str], warnings: list[str]) -> None:
    """Settle what depends on more than one of these; a value that could not be parsed is not there."""
    for name, attribute in _FILES:
        _settle_file(name, attribute, values=values, problems=problems)
    if values.get("admin_password") and not values.get("admin_username"):
        values["admin_username"] = _DEFAULT_USER
    elif values.get("admin_username") and values.get("admin_password") == "":
        warnings.append("DNS_ADMIN_USERNAME has no password, so nobody can sign in by it: set DNS_ADMIN_PASSWORD")
    if any(key.kid == "secret" for key in values.get("admin_jwtkeys") or ()) and values.get("admin_jwtsecret"):
        problems.append("DNS_ADMIN_JWTKEYS has the kid secret, which is DNS_ADMIN_JWTSECRET's; allowed: another kid")
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
        warnings.append(f"DNS_ADMIN_ADDRESS={address} is served without TLS: passwords and tokens can be read on the "
                        "way; set DNS_ADMIN_TLS_CERT")


def _settle_file(name: str, attribute: str, *, values: dict[str, Any], problems: list[str]) -> None:
    path = values.get(f"{attribute}_file")
    if not path:
        return
    if values.get(attribute):
        problems.append(f"{name} and {name}_FILE are both set; allowed: one of them")
        return
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read().rstrip("\r\n")
        values[attribute] = parse_secret(text) if attribute == "admin_jwtsecret" else parsers.parse_text(text)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        problems.append(f"{name}_FILE={path} cannot be read: {reason}; allowed: a path of a file")
    except UnicodeDecodeError:
        problems.append(f"{name}_FILE={path} is not UTF-8 text; allowed: a path of a file")
    except ValueError as error:
        problems.append(f"{name}_FILE={path}: what it holds {error}; allowed: a path of a file with it")
