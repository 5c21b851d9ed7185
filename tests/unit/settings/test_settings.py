"""Settings: every row of the table, the parsers, environment files, and problems that are all told at once."""

from __future__ import annotations

import ipaddress
import string
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from streamdns import settings
from streamdns.errors import ConfigError
from streamdns.settings import SETTINGS, Address, load, parsers
from streamdns.settings.resolver import ForwardZone
from tests.harness import ROOT
from tests.unit.settings import (
    examples,
    examples_admin,
    examples_logs,
    examples_peers,
    examples_rate_limit,
    examples_resolver,
    examples_workers,
)

# A value that is allowed and is not the default, and what it becomes.
GOOD: dict[str, tuple[str, object]] = {
    "DNS_ADDRESS": ("192.0.2.1:53, [2001:db8::1]:53", (Address("192.0.2.1", 53), Address("2001:db8::1", 53))),
    "DNS_UDP": ("off", False), "DNS_TCP": ("No", False),
    "DNS_ZONES": ("Example.ORG b., 2.0.192.in-addr.arpa", ("example.org.", "b.", "2.0.192.in-addr.arpa.")),
    "DNS_PATHDB": ("/srv/view", "/srv/view"),
    "DNS_INSTANCE_ID": ("ns1", "ns1"),
    "DNS_LOCAL_RECORDS": ("a. 1 A 192.0.2.1\\nb. 1 A 192.0.2.2\n\n", ("a. 1 A 192.0.2.1", "b. 1 A 192.0.2.2")),
    "DNS_DISALLOW_CNAME_ON_APEX": ("1", True),
    "DNS_APEX_CNAME": ("FLATTEN", "flatten"),
    "LOG_LEVEL": ("WARN", "warning"), "LOG_FORMAT": ("plain", "plain"),
    "DNS_SOURCE": ("file", "file"),
    "DNS_FILE_LOG": ("/srv/log", "/srv/log"),
    "DNS_RECURSION_ALLOW": ("192.0.2.0/24, 2001:db8::1",
                            (ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("2001:db8::1/128"))),
    "DNS_ROOT_HINTS": ("/etc/root.hints", "/etc/root.hints"), "DNS_SERVE_STALE": ("off", False),
    "DNS_CACHE_BYTES": ("1M", 1 << 20),
    "DNS_RECURSION_LIMIT": ("10", 10), "DNS_RECURSION_CLIENT_LIMIT": ("5", 5),
    "DNS_RESOLVER_ADDRESS": ("192.0.2.9 [2001:db8::1]:5353,2001:db8::2",
                             (Address("192.0.2.9", 53), Address("2001:db8::1", 5353), Address("2001:db8::2", 53))),
    "DNS_FORWARD_ZONES": ("Corp.example=10.0.0.1,10.0.0.2:5353 .=10.0.0.3",
                          (ForwardZone("corp.example.", (Address("10.0.0.1", 53), Address("10.0.0.2", 5353))),
                           ForwardZone(".", (Address("10.0.0.3", 53),)))),
    "DNS_RESOLVER_DENY": ("NONE", ()), "DNS_SPECIAL_NAMES_OFF": ("Test onion", ("test", "onion")),
    "DNS_RESOLVER_SOURCE": ("192.0.2.7 2001:db8::7", ("192.0.2.7", "2001:db8::7")),
    "DNS_RESOLVER_PORT": ("5353", 5353), "DNS_PRIVATE_ANSWERS": ("deny", "deny"),
    "DNS_PRIVATE_ANSWERS_ZONES": ("Zen.Example., b", ("zen.example.", "b.")), "DNS_DEFAULT_TTL": ("0", 0),
    "DNS_ROTATE": ("true", True),
    "DNS_VERSION": ("yes", True),
    "DNS_COOKIES": ("0", False),
    "DNS_COOKIE_SECRET": ("000102030405060708090a0b0c0d0e0F", bytes(range(16))),
    "DNS_EDNS_SIZE": ("4096", 4096),
    "DNS_UDP_RECEIVE_BUFFER": ("1M", 1 << 20),
    "DNS_UDP_BATCH": ("1", 1),
    "DNS_TCP_CONNECTIONS": ("65536", 65536), "DNS_TCP_CLIENT_CONNECTIONS": ("1", 1),
    "DNS_TCP_IDLE_TIMEOUT": ("2.5", 2.5),
    "DNS_TCP_MESSAGE_TIMEOUT": ("1", 1.0),
    "DNS_STALE_AFTER": ("86400", 86400.0),
    "DNS_JOURNAL_SIZE": ("5", 5),
    "DNS_QUARANTINE_SIZE": ("5", 5),
    "DNS_VIEW_MAX_BYTES": ("512m", 512 << 20),
    "DNS_BATCH_EVENTS": ("100000", 100_000),
    "DNS_DRAIN": ("0", 0.0),
    "DNS_STOP_TIMEOUT": ("0.5", 0.5),
} | examples.GOOD | examples_admin.GOOD | examples_logs.GOOD | examples_peers.GOOD | examples_rate_limit.GOOD
GOOD |= examples_workers.GOOD
GOOD |= examples_resolver.GOOD
BAD = {
    "DNS_ADDRESS": ["localhost:53", "192.0.2.1", "192.0.2.1:65536", "::1:53", "[::1]", "[192.0.2.1]:53", ",", "1.2.3:5",
                    "[fe80::1%lo]:53", "192.0.2.1:٥"],
    "DNS_UDP": ["maybe", "2"],
    "DNS_TCP": ["tru"],
    "DNS_ZONES": ["a..b", ".a", "x" * 64, ".".join(["x" * 60] * 5), "a\\256", "a\\"],
    "DNS_PATHDB": ["a\x01b"],
    "DNS_INSTANCE_ID": ["x" * 256],
    "DNS_DISALLOW_CNAME_ON_APEX": ["shadow"],
    "DNS_APEX_CNAME": ["drop"],
    "LOG_LEVEL": ["loud"],
    "LOG_FORMAT": ["xml"],
    "DNS_SOURCE": ["kafka", "pulsar", "nats"],  # kafka: without an address
    "DNS_FILE_LOG": ["a\x7fb"],
    "DNS_RECURSION_ALLOW": ["192.0.2.1/24", "everybody", "192.0.2.0/33", ","],
    "DNS_ROOT_HINTS": ["a\x01b"], "DNS_SERVE_STALE": ["x"],
    "DNS_CACHE_BYTES": ["1023K", "2T"],
    "DNS_RECURSION_LIMIT": ["0"], "DNS_RECURSION_CLIENT_LIMIT": ["0"],
    "DNS_RESOLVER_ADDRESS": ["resolver", "192.0.2.1:0", "192.0.2.1:x", ","],
    "DNS_FORWARD_ZONES": ["corp.example.", "=10.0.0.1", "corp.example.=", "a..=10.0.0.1", "a.=10.0.0.1 A.=10.0.0.2"],
    "DNS_RESOLVER_DENY": ["127.0.0.1/8"], "DNS_RESOLVER_SOURCE": ["eth0", "192.0.2.1 192.0.2.2"],
    "DNS_RESOLVER_PORT": ["0", "65536"], "DNS_SPECIAL_NAMES_OFF": ["exit", ","], "DNS_PRIVATE_ANSWERS": ["x"],
    "DNS_PRIVATE_ANSWERS_ZONES": ["a..b"], "DNS_DEFAULT_TTL": ["2147483648", "-1", "1.5", "1_000", "³"],
    "DNS_ROTATE": ["x"],
    "DNS_VERSION": ["1.0"],
    "DNS_COOKIES": ["x"],
    "DNS_COOKIE_SECRET": ["00", "0" * 33, "g" * 32],
    "DNS_EDNS_SIZE": ["511", "4097"],
    "DNS_UDP_RECEIVE_BUFFER": ["4095", "2G", "1MB"],
    "DNS_UDP_BATCH": ["0", "1025"],
    "DNS_TCP_CONNECTIONS": ["0", "65537"], "DNS_TCP_CLIENT_CONNECTIONS": ["0", "65537"],
    "DNS_TCP_IDLE_TIMEOUT": ["0", "5m", "inf", "nan", "1e9"],
    "DNS_TCP_MESSAGE_TIMEOUT": ["0"],
    "DNS_STALE_AFTER": ["0"],
    "DNS_JOURNAL_SIZE": ["-1"],
    "DNS_QUARANTINE_SIZE": ["0"],
    "DNS_VIEW_MAX_BYTES": ["1K", "65T", "64 G", "G"],
    "DNS_BATCH_EVENTS": ["0", "100001"],
    "DNS_DRAIN": ["-1", "4000"],
    "DNS_STOP_TIMEOUT": ["0", "4000"],
} | examples.BAD | examples_admin.BAD | examples_logs.BAD | examples_peers.BAD | examples_rate_limit.BAD
BAD |= examples_resolver.BAD | examples_workers.BAD


def problems_of(environ: dict[str, str], env_file: str | None = None) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(environ, env_file)
    return caught.value.problems


def test_the_defaults() -> None:
    loaded = load({}, random_bytes=lambda n: b"r" * n, host_name=lambda: "a-host")
    assert loaded.address == (Address("127.0.0.1", 8053), Address("::1", 8053))
    assert loaded.admin_address == Address("127.0.0.1", 8054)
    assert (loaded.udp, loaded.tcp, loaded.rotate, loaded.version, loaded.cookies) == (True, True, False, False, True)
    assert (loaded.zones, loaded.local_records) == ((), ())
    assert (loaded.pathdb, loaded.file_log, loaded.source) == ("./var/view", "./var/log.jsonl", "file")
    assert (loaded.instance_id, loaded.cookie_secret) == ("a-host", b"r" * 16)
    assert (loaded.default_ttl, loaded.edns_size_bytes, loaded.view_max_bytes) == (3600, 1232, 64 << 30)
    assert (loaded.stop_timeout_s, loaded.stale_after_s) == (5.0, 3600.0)
    assert (loaded.given, loaded.warnings) == (frozenset(), ())


def test_the_table_and_the_typed_settings_have_the_same_names() -> None:
    derived = {"notify_socket", "watchdog_s", "handed_over", "given", "warnings", "client_token", "client_node"}
    assert {row.attribute for row in SETTINGS} == {field.name for field in fields(settings.Settings)} - derived
    assert len({row.name for row in SETTINGS}) == len(SETTINGS)
    for row in SETTINGS:
        assert row.description.endswith("."), row.name
        assert row.default or row.unset_means, row.name


def test_every_setting_has_examples_here() -> None:
    names = {row.name for row in SETTINGS}
    assert GOOD.keys() | {"DNS_KAFKA_ADDRESS", "DNS_PULSAR_ADDRESS"} == names
    assert BAD.keys() | {"DNS_LOCAL_RECORDS"} == names


@pytest.mark.parametrize("name", sorted(GOOD))
def test_an_allowed_value(name: str) -> None:
    text, expected = GOOD[name]
    row = next(row for row in SETTINGS if row.name == name)
    loaded = load({name: text})
    assert getattr(loaded, row.attribute) == expected
    assert type(getattr(loaded, row.attribute)) is type(expected)
    assert loaded.given == {name}
    assert not [warning for warning in loaded.warnings if "not a setting" in warning]


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in BAD.items() for text in texts])
def test_a_value_that_is_not_allowed(name: str, text: str) -> None:
    (problem,) = problems_of({name: text})
    assert name in problem
    assert "allowed: " in problem
    assert "\n" not in problem
    if any(row.secret for row in SETTINGS if row.name == name) and name != "DNS_KAFKA_PASSWORD":
        assert text not in problem.replace("32 hexadecimal", "")
    elif text.isprintable():
        assert text.rpartition("@")[2][:100] in problem  # a user before it is masked


def test_all_problems_are_told_at_once() -> None:
    found = problems_of({"DNS_UDP": "x", "DNS_EDNS_SIZE": "1", "DNS_APEX_CNAME": "flatten",
                         "DNS_DISALLOW_CNAME_ON_APEX": "true", "DNS_SOURCE": "pulsar"}, "/nowhere/env")
    assert len(found) == 5
    assert "/nowhere/env cannot be read: no such file or directory" in found[0]


def test_all_addresses() -> None:
    assert load({"DNS_ADDRESS": ":53 0.0.0.0:53"}).address == (Address("0.0.0.0", 53), Address("::", 53))
    assert [str(address) for address in load({"DNS_ADDRESS": ":0"}).address] == ["0.0.0.0:0", "[::]:0"]


def test_the_admin_interface_can_be_off() -> None:
    loaded = load({"DNS_ADMIN_ADDRESS": "off"})
    assert loaded.admin_address is None
    assert loaded.masked()["DNS_ADMIN_ADDRESS"] == "off"


def test_a_kafka_address_means_kafka() -> None:
    loaded = load({"DNS_KAFKA_ADDRESS": "k1.example:19092, k2 [::1]:9", "DNS_KAFKA_TOPIC": "zones",
                   "DNS_INSTANCE_ID": "ns1"})
    assert loaded.source == "kafka"
    assert loaded.kafka_address == ("k1.example:19092", "k2:9092", "[::1]:9")
    assert loaded.kafka_topics == ("zones",)
    assert loaded.kafka_group == "streamdns-ns1"


def test_kafka_needs_an_address_and_topics_and_a_login_a_user_and_a_password() -> None:
    (problem,) = problems_of({"DNS_KAFKA_ADDRESS": "k1"})
    assert "needs DNS_KAFKA_TOPICS;" in problem
    (problem,) = problems_of({"DNS_SOURCE": "kafka", "DNS_KAFKA_TOPICS": "a"})
    assert "needs DNS_KAFKA_ADDRESS;" in problem
    kafka = {"DNS_KAFKA_ADDRESS": "k1", "DNS_KAFKA_TOPICS": "a", "DNS_KAFKA_SASL_ENABLE": "true"}
    assert len(problems_of(kafka)) == 2
    (problem,) = problems_of(kafka | {"DNS_KAFKA_USER": "a", "DNS_KAFKA_PASSWORD": "b", "DNS_KAFKA_CLIENT": "pykafka"})
    assert "SASL" in problem
    (problem,) = problems_of({"DNS_KAFKA_TOPICS": "a", "DNS_KAFKA_TOPIC": "b"})
    assert "contradict" in problem


def test_a_password_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("it's a riddle \n")
    loaded = load({"DNS_KAFKA_PASSWORD_FILE": str(file)})
    assert loaded.kafka_password == "it's a riddle "
    assert loaded.masked()["DNS_KAFKA_PASSWORD"] == "***"
    assert "riddle" not in repr(loaded)
    (problem,) = problems_of({"DNS_KAFKA_PASSWORD_FILE": str(file), "DNS_KAFKA_PASSWORD": "x"})
    assert "both" in problem
    file.write_bytes(b"\xff")
    (problem,) = problems_of({"DNS_KAFKA_PASSWORD_FILE": str(file)})
    assert "UTF-8" in problem


@pytest.mark.parametrize("name", ["DNS_KAFKA_TLS_CA", "DNS_KAFKA_TLS_CERT", "DNS_KAFKA_USER"])
def test_a_kafka_setting_without_effect_is_a_warning(name: str) -> None:
    (warning,) = load({name: "x"}).warnings
    assert warning.startswith(f"{name} has no effect")


def test_a_kafka_address_is_no_problem_when_the_source_is_the_file() -> None:
    assert load({"DNS_KAFKA_ADDRESS": "broker:9092", "DNS_SOURCE": "file"}).source == "file"


def test_disallow_cname_on_apex_means_shadow() -> None:
    assert load({"DNS_DISALLOW_CNAME_ON_APEX": "true"}).apex_cname == "shadow"
    assert load({"DNS_DISALLOW_CNAME_ON_APEX": "true", "DNS_APEX_CNAME": "shadow"}).apex_cname == "shadow"


def test_an_empty_value_counts_as_unset() -> None:
    loaded = load(dict.fromkeys(GOOD.keys() - {"DNS_RESOLVER_DENY"}, " "), random_bytes=bytes, host_name=lambda: "h")
    assert loaded == load({}, random_bytes=bytes, host_name=lambda: "h")


def test_an_unknown_name_is_a_warning_with_the_nearest_one(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("DNS_ZONE=example.org\nHTTP_PROXY=x\nLOG_COLOUR=1\n")
    loaded = load({"DNS_ADDRES": "x", "PATH": "/bin"}, str(file))
    assert loaded.warnings == (
        "DNS_ADDRES is not a setting and is ignored; the nearest known name is DNS_ADDRESS",
        "DNS_ZONE is not a setting and is ignored; the nearest known name is DNS_ZONES",
    )


def test_a_secret_is_shown_nowhere() -> None:
    loaded = load({"DNS_COOKIE_SECRET": "00112233445566778899aabbccddeeff"})
    assert loaded.masked()["DNS_COOKIE_SECRET"] == "***"
    shown = repr(loaded) + str(loaded.masked())
    assert "112233" not in shown
    assert repr(loaded.cookie_secret) not in shown


def test_masked_values_load_again_as_the_same_settings() -> None:
    contradicting = {"DNS_DISALLOW_CNAME_ON_APEX", "DNS_KAFKA_TOPIC", "DNS_KAFKA_PASSWORD_FILE", "DNS_PEERS_TOKEN_FILE",
                     "DNS_PULSAR_TOKEN_FILE"}
    contradicting |= {"DNS_METRICS_TOKENS", "DNS_METRICS_TOKENS_FILE", *examples_admin.CONTRADICTING}
    first = load({name: text for name, (text, _) in GOOD.items() if name not in contradicting})
    secrets = {"DNS_COOKIE_SECRET": first.cookie_secret.hex(), "DNS_KAFKA_PASSWORD": first.kafka_password}
    secrets |= {"DNS_PEERS_TOKEN": first.peers_token, "DNS_PULSAR_TOKEN": first.pulsar_token}
    secrets |= {"DNS_ADMIN_PASSWORD": first.admin_password, "DNS_ADMIN_JWTSECRET": first.admin_jwtsecret}
    again = load(first.masked() | secrets | {"DNS_KAFKA_TOPIC": "", "DNS_METRICS_TOKENS": ""})
    assert all(getattr(again, row.attribute) == getattr(first, row.attribute) for row in SETTINGS)


def test_what_changed_between_two_loads() -> None:
    old = load({"LOG_LEVEL": "info", "DNS_COOKIES": "false"})
    new = load({"LOG_LEVEL": "debug", "DNS_TCP": "false"})
    applied, restart = settings.changed(old, new)
    assert applied == ("LOG_LEVEL",)
    assert restart == ("DNS_TCP", "DNS_COOKIES")
    # A random secret is another one at each load and has not changed.
    assert settings.changed(load({}), load({})) == ((), ())


def test_the_process_environment_is_read_by_from_process_only() -> None:
    code = "from streamdns import settings as s; print(s.from_process().udp_batch, s.load({}).udp_batch)"
    environ = {"DNS_UDP_BATCH": "7", "PYTHONPATH": "."}
    assert subprocess.check_output([sys.executable, "-c", code], env=environ, text=True, cwd=ROOT) == "7 64\n"


def test_the_reference_tells_every_setting() -> None:
    for row in SETTINGS:
        assert f"{row.name}\n    {row.description}" in settings.reference()
        assert f"## {row.name}\n" in settings.markdown()


# Environment files: what systemd.exec(5) says of EnvironmentFile=.

@pytest.mark.parametrize(("text", "expected"), [
    ("A=1\n# B=2\n;C=3\n  D = 4  \n", {"A": "1", "D": "4"}),
    ("A=one two  \nB='one  two ' \nC=\"x\"", {"A": "one two", "B": "one  two ", "C": "x"}),
    ("A=one\\\ntwo\nB=3", {"A": "onetwo", "B": "3"}),
    ("A=\"one\\\ntwo\"", {"A": "onetwo"}),
    ("A='one\ntwo'", {"A": "one\ntwo"}),
    ("A=\"q\\\"b\\\\d\\$n\\n\"", {"A": "q\"b\\d$n\\n"}),
    ("A='\\n\"'", {"A": "\\n\""}),
    ("A=\\n\\ ", {"A": "n "}),
    ("A='a' \"b\"c", {"A": "abc"}),
    ("A=it's", {"A": "it's"}),
    ("A=$B ${B}\nA2=#no comment", {"A": "$B ${B}", "A2": "#no comment"}),
    ("A=\nB=''", {"A": "", "B": ""}),
    ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
    ("A=1\nA=2", {"A": "2"}),
    ("# a comment \\\nA=1", {"A": "1"}),
    ("A=b=c", {"A": "b=c"}),
])
def test_the_syntax_of_environment_files(text: str, expected: dict[str, str]) -> None:
    assert parsers.parse_env_file(text) == (expected, ())


def test_lines_that_say_nothing_are_warnings(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("export DNS_UDP=false\nnonsense\nDNS_UDP_BATCH=9\n")
    loaded = load({}, str(file))
    assert (loaded.udp, loaded.udp_batch) == (True, 9)
    assert [f"line {line}" in warning for line, warning in zip((1, 2), loaded.warnings, strict=True)] == [True, True]


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("DNS_UDP_BATCH=9\nDNS_TCP=false\n")
    loaded = load({"DNS_UDP_BATCH": "8"}, str(file))
    assert (loaded.udp_batch, loaded.tcp) == (8, False)


@pytest.mark.parametrize(("content", "words"), [
    (b"A='open", "line 1"), (b"A=\xff", "not UTF-8"),
])
def test_a_file_that_cannot_be_used(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "env"
    file.write_bytes(content)
    (problem,) = problems_of({}, str(file))
    assert words in problem
    assert str(file) in problem


def single_quoted(value: str) -> str:
    # Inside single quotes everything stands for itself; a single quote itself needs double quotes.
    return "".join(f'"{part}"' if part == "'" else f"'{part}'" for part in
                   (value.replace("'", "\0'\0").split("\0")))


def double_quoted(value: str) -> str:
    return '"' + "".join("\\" + char if char in '"\\`$' else char for char in value) + '"'


NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,10}", fullmatch=True)
VALUES = st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=30)


@given(st.dictionaries(NAMES, st.tuples(VALUES, st.sampled_from([single_quoted, double_quoted])), max_size=5))
def test_quoted_values_come_back(entries: dict[str, tuple[str, object]]) -> None:
    text = "".join(f"{name}={quote(value)}\n# comment\n" for name, (value, quote) in entries.items())  # type: ignore[operator]
    assert parsers.parse_env_file(text) == ({name: value for name, (value, _) in entries.items()}, ())


@given(st.text(st.sampled_from("AB=\\'\"#; \t\n\rx$"), max_size=40))
def test_any_text_parses_or_has_an_open_quote(text: str) -> None:
    try:
        parsed = parsers.parse_env_file(text)
    except ValueError:
        event("open quote")
        assert text.count("'") + text.count('"') > 0
    else:
        assert all(name in text for name in parsed.values)


@given(st.ip_addresses(), st.integers(0, 65535))
def test_addresses_come_back(address: object, port: int) -> None:
    parsed = Address(str(address), port)
    assert parsers.parse_address(str(parsed)) == parsed


@given(st.integers(0, 4096), st.sampled_from("KMGTkmgt"))
def test_sizes(number: int, unit: str) -> None:
    expected = number << {"K": 10, "M": 20, "G": 30, "T": 40}[unit.upper()]
    assert parsers.size_bytes(0, 1 << 60)(f"{number}{unit}") == expected


@given(st.decimals(0, 3600, places=3))
def test_seconds(value: object) -> None:
    assert parsers.seconds(0, 3600)(f"{value}") == float(str(value))


@given(st.text(string.printable, max_size=20))
def test_any_text_is_a_value_or_a_problem(text: str) -> None:
    for row in SETTINGS:
        try:
            load({row.name: text})
        except ConfigError as error:
            problems = error.problems
        else:
            problems = ()
        assert len(problems) <= 1
