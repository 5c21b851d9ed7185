"""How limits of a node are divided among its workers."""

from __future__ import annotations

from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st

from streamdns.settings import Settings, load
from streamdns.workers.messages import packed, unpacked
from streamdns.workers.shares import share_of

DIVIDED = {
    "rrl_rate", "tcp_connections", "tcp_client_connections", "cache_bytes", "recursion_limit",
    "recursion_client_limit", "resolver_zone_limit", "resolver_server_limit",
}


def differences(one: Settings, other: Settings) -> set[str]:
    return {field.name for field in fields(Settings) if getattr(one, field.name) != getattr(other, field.name)}


@given(workers=st.integers(1, 64))
def test_all_together_have_what_the_settings_allow_and_no_worker_nothing(workers: int) -> None:
    whole = load({"DNS_WORKERS": str(workers)})
    share = share_of(whole)
    assert differences(whole, share) == ({"workers"} if workers == 1 else {"workers"} | DIVIDED)
    for name in DIVIDED:
        most, part = getattr(whole, name), getattr(share, name)
        assert most <= part * workers < most + workers, name


def test_no_limit_stays_none() -> None:
    assert share_of(load({"DNS_WORKERS": "2", "DNS_RRL_RATE": "0"})).rrl_rate == 0


def test_settings_arrive_as_they_were() -> None:
    """Also those that are objects of ours, and the secret that is random: cookies of one worker are good for all."""
    settings = load({
        "DNS_ADDRESS": ":53 192.0.2.1:5353", "DNS_FORWARD_ZONES": "corp.example=192.0.2.1", "DNS_ADMIN_ADDRESS":
        "unix:/run/x", "DNS_TOPIC_ZONES": "a=b.", "DNS_METRICS_OUTPUTS": "stdout", "DNS_ADMIN_TRUSTED_PROXIES": "::1",
    })
    again = unpacked(packed(settings))
    assert again == settings
    assert [type(address) for address in again.address] == [type(address) for address in settings.address]
