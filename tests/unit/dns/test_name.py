"""Names: presentation text, wire form, and the order of lookup keys."""

from __future__ import annotations

import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamdns.dns import name

octets = st.one_of(st.sampled_from([0, 1, 2, 0x2E, 0x40, 0x5C, 0x61, 0x7F, 0xFF]), st.integers(0, 255))
labels = st.lists(octets, min_size=1, max_size=63).map(bytes)


def _wire(parts: list[bytes]) -> bytes:
    return b"".join([bytes((len(part),)) + part for part in parts]) + b"\0"


wires = st.lists(labels, max_size=8).map(_wire).filter(lambda wire: len(wire) <= 255)
lower_wires = wires.map(bytes.lower)
plain_texts = st.from_regex(r"\A([A-Za-z0-9_*-]{1,12}\.){1,5}\Z")


def _dnspython(wire: bytes) -> dns.name.Name:
    return dns.name.from_wire(wire, 0)[0]


@given(wires)
def test_text_gives_the_wire_form_back(wire: bytes) -> None:
    text = name.to_text(wire)
    assert name.from_text(text) == wire
    assert text.isascii()
    assert text.isprintable()
    assert " " not in text


@given(wires)
def test_text_is_what_dnspython_writes_and_reads(wire: bytes) -> None:
    assert name.to_text(wire) == _dnspython(wire).to_text()
    assert dns.name.from_text(name.to_text(wire)).to_wire() == wire


@given(plain_texts)
def test_plain_text_is_read_as_by_dnspython(text: str) -> None:
    wire = dns.name.from_text(text).to_wire()
    assert name.from_text(text) == wire
    assert name.from_text(text[:-1]) == wire
    assert name.from_plain_text(text) == wire
    lower = text.lower()
    assert name.from_canonical_text(lower) == (wire.lower(), name.key(wire.lower()))
    assert name.from_canonical_text(lower[:-1]) is None
    assert (name.from_canonical_text(text) is None) == (text != lower)


@given(st.text(st.sampled_from(r"aA0-.\*_é @"), max_size=300))
def test_canonical_text_is_what_a_key_is_written_as(text: str) -> None:
    found = name.from_canonical_text(text)
    if found is not None:
        wire, key = found
        assert name.from_text(text) == wire
        assert name.to_text(wire) == text
        assert name.key(wire) == key


def test_the_longest_names_are_plain_too() -> None:
    longest = ".".join(["a" * 63] * 3 + ["a" * 61]) + "."
    assert len(name.from_text(longest)) == 255
    assert name.from_plain_text(longest) == name.from_text(longest)
    assert name.from_canonical_text(longest) == (name.from_text(longest), name.key(name.from_text(longest)))
    for too_long in (f"a{longest}", f"a.{longest}", f"{'a' * 64}.org."):
        assert name.from_canonical_text(too_long) is None
        assert name.from_plain_text(too_long) is None


@given(st.text(st.sampled_from(r"aA0-.\*_é @") | st.characters(), max_size=300))
def test_any_text_is_a_name_or_a_value_error(text: str) -> None:
    try:
        wire = name.from_text(text)
    except ValueError as err:
        said = str(err)
    else:
        assert len(wire) <= 255
        assert _dnspython(wire).to_wire() == wire
        return
    assert said.isprintable()
    assert len(said) < 200


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        (".", b"\0"),
        ("org", b"\3org\0"),
        ("WWW.Example.org.", b"\3WWW\7Example\3org\0"),
        (r"a\.b.c.", b"\3a.b\1c\0"),
        (r"\097\\\"\000.", b'\4a\\"\0\0'),
        (r"a\ b.", b"\3a b\0"),
        (r"a\.", b"\2a.\0"),
        ("é.org.", b"\2\xc3\xa9\3org\0"),
        (r"\é.", b"\2\xc3\xa9\0"),
        ("#%&^[]?.org.", b"\7#%&^[]?\3org\0"),
        ("user@host.org.", b"\x09user@host\3org\0"),
    ],
)
def test_spellings(text: str, wire: bytes) -> None:
    assert name.from_text(text) == wire


LABEL = "a" * 63
LONGEST = f"{LABEL}.{LABEL}.{LABEL}.{'a' * 61}"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "empty"),
        ("@", "absolute"),
        ("..", "empty label"),
        (".a", "empty label"),
        ("a..b", "empty label"),
        ("a.b..", "empty label"),
        (LABEL + "a.", "longer than 63"),
        (LONGEST + "a", "longer than 255"),
        (LONGEST + "a.", "longer than 255"),
        (LONGEST + ".a", "longer than 255"),
        (r"\097" * 64, "longer than 63"),
        (r"\097" * 255, "label longer than 63"),
        (r"\097" * 255 + "a", "longer than 255 octets"),
        (r"\097" * 300, "longer than 255 octets"),
        ("a" * 1021 + "\ud800", "longer than 255 octets"),
        ("a" * 1020 + "\ud800", "not valid Unicode"),
        ("a\\", "ends in a backslash"),
        (r"a\25", "bad escape"),
        (r"a\256", "bad escape"),
        (r"a\1b2", "bad escape"),
        ("a b", "unescaped space"),
        ("a\n", "unescaped space"),
        ("a.\n", "unescaped space"),
        ("a\x7f.", "unescaped space"),
        ("\ud800.", "not valid Unicode"),
        ("a." * 1_000_000, "longer than 255"),
    ],
)
def test_what_is_no_name(text: str, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        name.from_text(text)


@pytest.mark.parametrize("text", [LONGEST, LONGEST + ".", LABEL, ".".join(["a"] * 127)])
def test_the_longest_names_and_labels(text: str) -> None:
    assert name.from_text(text) == dns.name.from_text(text).to_wire()


@pytest.mark.parametrize(("text", "said"), [
    ("", "a name is empty"), ("@", "'@' is not a name: names are absolute"),
])
def test_what_is_said_of_the_commonest_mistakes(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}$"):
        name.from_text(text)


def test_names_are_read_the_same_however_many_others_were_read_before() -> None:
    """What is known of the last thousand parents is forgotten now and then, and found again."""
    for number in range(2100):
        parent, label = f"p{number}.org.", f"p{number}".encode()
        assert name.from_text(f"a.{parent}") == b"\1a" + bytes((len(label),)) + label + b"\3org\0"
        assert name.from_text("org.") == name.from_text("org") == b"\3org\0"
        assert name.from_canonical_text("org.") == (b"\3org\0", b"org\0")
        found = name.from_canonical_text(f"b.{parent}")
        assert found is not None
        assert found[1] == b"org\0" + label + b"\0b\0"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (".", b""),
        ("www.example.org.", b"org\0example\0www\0"),
        (r"\000.\001.", b"\1\2\0\1\1\0"),
        (r"a\000\001\002.", b"a\1\1\1\2\2\0"),
    ],
)
def test_keys(text: str, key: bytes) -> None:
    assert name.key(name.from_text(text)) == key


@given(lower_wires)
def test_key_gives_the_name_back(wire: bytes) -> None:
    key = name.key(wire)
    assert name.from_key(key) == wire
    assert len(key) <= 511


def test_the_longest_key_fits_lmdb() -> None:
    wire = _wire([b"\0" * 63, b"\1" * 63, b"\0" * 63, b"\1" * 61])
    assert len(wire) == 255
    assert len(name.key(wire)) <= 511


@given(st.lists(lower_wires, min_size=2, max_size=8))
def test_order_of_keys_is_canonical_order(names: list[bytes]) -> None:
    ours = [_dnspython(wire) for wire in sorted(names, key=name.key)]
    assert ours == sorted(map(_dnspython, names))


@given(lower_wires, lower_wires)
def test_a_key_is_a_prefix_exactly_of_the_names_below(above: bytes, below: bytes) -> None:
    assert name.key(below).startswith(name.key(above)) == _dnspython(below).is_subdomain(_dnspython(above))


@given(labels, lower_wires)
def test_a_child_has_its_parents_key_before_its_own(label: bytes, parent: bytes) -> None:
    child = bytes((len(label),)) + label.lower() + parent
    if len(child) <= 255:
        assert name.key(child).startswith(name.key(parent))
        assert name.key(child) > name.key(parent)


@pytest.mark.parametrize(
    ("text", "wire"),
    [("com.", b"\3com\0"), ("a.com.", b"\1a\3com\0"), ("a.b.com", b"\1a\1b\3com\0"), (".", b"\0"), ("com", b"\3com\0")],
)
def test_plain_names_are_read_at_once(text: str, wire: bytes) -> None:
    assert name.from_plain_text(text) == wire
    canonical = name.from_canonical_text(text)
    assert canonical == ((wire, name.key(wire)) if text.endswith(".") and text != "." else None)


@pytest.mark.parametrize("text", ["a.COM.", "a.Example.com.", "A.com.", "a.com", "a\\.b.com.", "a..com."])
def test_names_that_are_no_keys_as_they_stand(text: str) -> None:
    assert name.from_canonical_text(text) is None
    assert name.from_canonical_text(f"www.{text}") is None


def test_names_seen_lately_are_let_go_without_harm() -> None:
    for number in range(3000):
        assert name.from_canonical_text(f"a.b{number}.test.") is not None
        assert name.from_plain_text(f"a.c{number:04}.test") == b"\1a\5c%04d\4test\0" % number
        assert name.from_plain_text("com") == b"\3com\0"
        assert name.from_canonical_text("com.") == (b"\3com\0", b"com\0")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a name is empty"), ("@", "'@' is not a name: names are absolute"),
        # 1,020 characters are 255 octets, each escaped: what is longer can be no name and is not looked at.
        ("\\097" * 255, "has a label longer than 63 octets"), ("\\097" * 255 + "a", "is longer than 255 octets"),
    ],
)
def test_names_that_are_none(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"{said}$") as failed:
        name.from_text(text)
    assert str(failed.value).startswith(said if len(text) < 2 else "the name '")


@pytest.mark.parametrize("wire", [b"\0", b"\1\0\0", b"\1\1\0", b"\2\1\0\0", b"\1\2\0", b"\3a\0b\1c\0", b"\1a\1\0\0"])
def test_keys_give_the_name_back(wire: bytes) -> None:
    assert name.from_key(name.key(wire)) == wire
