"""Decodes paths, queries and bodies into the typed parameters of a route; what does not fit is an ApiError."""

from __future__ import annotations

import functools
import re
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import msgspec

from streamdns.errors import ApiError

MAX_PARAMETERS: Final = 64
_JSON: Final = "application/json"
#: What curl calls a body that it was not told more about; /signin has always been called so.
_FORM: Final = "application/x-www-form-urlencoded"
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*)`(?: - at `\$\.?(.*)`)?", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(.*)`(?: - at `\$\.?(.*)`)?", re.DOTALL)
_OF_ANOTHER_KIND: Final = re.compile(r"Expected `(\w+)`, got ")
_KINDS: Final = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}
_ELSEWHERE: Final = re.compile(r"(.*) - at `\$\.?(.*)`", re.DOTALL)


def path_part(raw: str) -> str:
    """Decode one part of a path: UTF-8 text without control characters, in which %2F is a slash."""
    return _decoded(raw, "the path")


def query(raw: str, wanted: type[msgspec.Struct]) -> msgspec.Struct:
    """Decode the query into a Struct; an unknown parameter, or one given twice, is an error."""
    values: dict[str, Any] = {}
    repeatable = _repeatable(wanted)
    for name, value in _pairs(raw):
        if name in repeatable:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise _bad(f"{name} is given twice")
        else:
            values[name] = value
    try:
        return msgspec.convert(values, wanted, strict=False)
    except msgspec.ValidationError as error:
        raise _bad(_sentence(str(error), "parameter")) from error


def body(raw: bytes, wanted: type[msgspec.Struct], content_type: str, *, lenient: bool = False) -> msgspec.Struct:
    """Decode a JSON body into a Struct; `lenient` also takes the content type that curl sends by itself."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind != _JSON and not (lenient and kind in ("", _FORM)):
        raise ApiError(415, "unsupported_media_type", f"the body has to be JSON, with Content-Type: {_JSON}")
    try:
        return msgspec.json.decode(raw, type=wanted)
    except msgspec.ValidationError as error:
        raise _bad(_sentence(str(error), "field")) from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _bad("the body is no valid JSON") from error


def _pairs(raw: str) -> list[tuple[str, str]]:
    if not raw:
        return []
    if _BAD_ESCAPE.search(raw):
        raise _bad("the query has a % that is not followed by two hexadecimal digits")
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, strict_parsing=True, errors="strict",
                          max_num_fields=MAX_PARAMETERS)
    except UnicodeDecodeError as error:
        raise _bad("the query is not UTF-8") from error
    except ValueError as error:
        raise _bad(f"the query is not made of name=value with & between, at most {MAX_PARAMETERS} of them") from error
    if any(_CONTROL.search(name) or _CONTROL.search(value) for name, value in pairs):
        raise _bad("the query has a control character")
    return pairs


def _decoded(raw: str, what: str) -> str:
    if _BAD_ESCAPE.search(raw):
        raise _bad(f"{what} has a % that is not followed by two hexadecimal digits")
    try:
        text = unquote(raw, errors="strict")
    except UnicodeDecodeError as error:
        raise _bad(f"{what} is not UTF-8") from error
    if _CONTROL.search(text):
        raise _bad(f"{what} has a control character")
    return text


@functools.cache
def _repeatable(wanted: type[msgspec.Struct]) -> set[str]:
    sequences = (msgspec.inspect.ListType, msgspec.inspect.VarTupleType, msgspec.inspect.SetType)
    found = msgspec.inspect.type_info(wanted)
    assert isinstance(found, msgspec.inspect.StructType)
    return {field.encode_name for field in found.fields if isinstance(field.type, sequences)}


def _sentence(text: str, what: str) -> str:
    """Turn a message of msgspec into a sentence in the words of the request."""
    if found := _UNKNOWN.fullmatch(text):
        return f"there is no {what} {_where(found[2], found[1])}"
    if found := _MISSING.fullmatch(text):
        return f"the {what} {_where(found[2], found[1])} is missing"
    if (found := _ELSEWHERE.fullmatch(text)) and found[2]:
        if kind := _OF_ANOTHER_KIND.match(found[1]):
            return f"{found[2]} has to be {_KINDS.get(kind[1], kind[1])}"
        return f"{found[2]}: {found[1][:1].lower()}{found[1][1:]}"
    return text[:1].lower() + text[1:]


def _where(inside: str | None, name: str) -> str:
    return f"{inside}.{name}" if inside else name


def _bad(message: str) -> ApiError:
    return ApiError(400, "bad_request", message)
