"""Makes the TLS context of the admin API from the certificate of the settings."""

from __future__ import annotations

import os
import ssl

from gevent.ssl import SSLContext

from streamdns.admin.http.in_turn import InTurnSSLContext
from streamdns.errors import ConfigError
from streamdns.named_files import expect_plain
from streamdns.settings import Settings


def peers_context(settings: Settings) -> ssl.SSLContext | None:
    """What verifies the certificates of other nodes, None where no node is asked by https; raises ConfigError."""
    if not any(url.startswith("https:") for url in settings.peers):
        return None
    try:
        return ssl.create_default_context(cafile=settings.peers_ca or None)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError([f"DNS_PEERS_CA={settings.peers_ca} is no file of certificates: {reason}"]) from error


def tls_context(settings: Settings) -> SSLContext | None:
    """Make a context for TLS 1.2 or newer, None where no certificate is set; raises ConfigError."""
    certificate, key = settings.admin_tls_cert, settings.admin_tls_key
    if not certificate:
        return None
    context = InTurnSSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # In TLS 1.2 a client could have the key used again and again over one connection.
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    for name, path in (("DNS_ADMIN_TLS_CERT", certificate), ("DNS_ADMIN_TLS_KEY", key)):
        if path and not os.access(path, os.R_OK):
            raise ConfigError([f"{name}={path} cannot be read"])
        try:
            if path:
                expect_plain(path)
        except OSError as error:
            raise ConfigError([f"{name}={path} cannot be read: {error.strerror}"]) from error
    try:
        # Not asked for on the terminal: a key with a password is refused.
        context.load_cert_chain(certificate, key or None, password=lambda: "")
    except (OSError, ValueError) as error:
        problem = f"DNS_ADMIN_TLS_CERT={certificate} is no PEM certificate with the key of it, without a password"
        raise ConfigError([problem]) from error
    return context
