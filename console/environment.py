"""What the console takes from the environment: the node of this machine, a token, and what the terminal can show.

The only module here that looks at os.environ.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from .tokens import check_token

#: Where the service of a package has its settings (streamdns.service).
SETTINGS_FILE: Final = "/etc/streamdns/streamdns.conf"
_SIGNING: Final = ("DNS_ADMIN_JWTSECRET", "DNS_ADMIN_JWTSECRET_FILE", "DNS_ADMIN_JWTKEYS")
_SOCKET: Final = "/run/streamdns/admin.sock"
_DEFAULT: Final = "127.0.0.1:8054"
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_plain_address = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):[0-9]{1,5}").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What is said outside of the command line."""

    node: str
    token: str
    plain: bool
    """The terminal's font has nothing but letters and blocks."""
    few_colours: bool
    named: bool
    """STREAMDNS_NODE names the node: settings of this machine's server have no say in it."""
    signs: bool
    """Settings with a key for tokens are in the environment."""
    browser: bool
    """textual-serve shows what is drawn in a browser: there is no terminal, and none is needed."""


def read() -> Environment:
    """The environment of this process; raises ValueError with a sentence."""
    return parse(os.environ, socket_there=os.path.exists(_SOCKET))


def forget_size() -> None:
    """Take the size of the terminal out of the environment: it would stand over the terminal's own, which changes."""
    for name in ("LINES", "COLUMNS"):
        os.environ.pop(name, None)


def parse(environ: Mapping[str, str], *, socket_there: bool = False) -> Environment:
    """What an environment says; the admin API of this machine is where the server's own setting has it."""
    named = environ.get("STREAMDNS_NODE", "").strip()
    node = named or environ.get("DNS_ADMIN_ADDRESS", "").strip()
    if not node or node == "off":
        node = f"unix:{_SOCKET}" if socket_there else _DEFAULT
    elif not named and environ.get("DNS_ADMIN_TLS_CERT") and not node.startswith("unix:"):
        node = f"https://{node}"
    token = environ.get("STREAMDNS_TOKEN", "").strip()
    if token:
        try:
            check_token(token)
        except ValueError as error:
            raise ValueError(f"STREAMDNS_TOKEN {error}") from error
    term = environ.get("TERM", "")
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or "C.UTF-8"
    unicode = "utf" in locale.lower()
    true_colour = environ.get("COLORTERM", "").lower() in ("truecolor", "24bit")
    few = term in ("linux", "vt100", "vt220", "ansi", "xterm", "screen", "tmux") and not true_colour
    return Environment(
        node=node, token=token, plain=term in ("linux", "vt100", "vt220", "ansi") or not unicode, few_colours=few,
        named=bool(named), signs=any(environ.get(name, "").strip() for name in _SIGNING),
        browser="web_driver" in environ.get("TEXTUAL_DRIVER", ""),
    )


def settings_file() -> str:
    """The server's settings file of this machine, "" where there is none or this user may not read it."""
    return SETTINGS_FILE if os.access(SETTINGS_FILE, os.R_OK) else ""


def parse_node(text: str) -> str:
    """A node's URL in one spelling: http://HOST:PORT, https://HOST[:PORT] or unix:PATH; raises ValueError."""
    if text.startswith("unix:"):
        if not text[5:].startswith("/"):
            raise ValueError(f"{text} is unix: without an absolute path")
        return text
    url = f"http://{text}" if _plain_address(text) else text
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(f"{text} has no port that is one") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not url.isprintable():
        raise ValueError(f"{text} is not http://HOST:PORT, https://HOST:PORT, HOST:PORT or unix:PATH")
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
        raise ValueError(f"{text} has more than a scheme, a host and a port")
    host = _ANYWHERE.get(parts.hostname, parts.hostname)
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + ("" if port is None else f":{port}")


def read_token(path: str) -> str:
    """The token that a file holds; raises ValueError with a sentence."""
    try:
        with open(path, encoding="ascii") as file:
            return check_token(file.read(8194))
    except UnicodeDecodeError:
        raise ValueError(f"the token file {path} holds no token") from None
    except OSError as error:
        raise ValueError(f"the token file {path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    except ValueError as error:
        raise ValueError(f"the token file {path} {error}") from error
