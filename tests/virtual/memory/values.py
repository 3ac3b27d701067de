"""Attribute values: what is valid, the one form in which each is kept, and sizes."""

from decimal import Context, DivisionByZero, Inexact, InvalidOperation, Overflow, Subnormal
from math import ceil
from typing import Any

from msgspec import json, msgpack

from tests.virtual.memory.refusals import invalid

Typed = dict[str, Any]
Item = dict[str, Typed]

SETS = {"SS": "S", "NS": "N", "BS": "B"}
_DEEPEST = 32

_ENCODER, _DECODER = msgpack.Encoder(), msgpack.Decoder()  # they copy quickly

# 38 digits, from 1E-130 to 9.9E+125 (DynamoDB's naming rules and data types).
NUMBERS = Context(
    prec=38,
    Emin=-130,
    Emax=125,
    traps=[Inexact, Overflow, Subnormal, InvalidOperation, DivisionByZero],
)


def number(text: str) -> str:
    """Return a number in the form in which DynamoDB returns it."""
    if text.isascii() and text.isdigit() and text[0] != "0" and len(text) <= NUMBERS.prec:
        return text
    try:
        return text_of(NUMBERS.create_decimal(text))
    except (InvalidOperation, TypeError) as error:
        raise invalid(f"A value provided cannot be converted into a number: {text}") from error
    except (Inexact, Overflow, Subnormal) as error:
        raise invalid(f"Number overflow, underflow or more than 38 digits: {text}") from error


def text_of(value: Any) -> str:
    """Return the digits of a decimal without an exponent."""
    if not value.is_finite():
        raise invalid(f"A value provided cannot be converted into a number: {value}")
    return f"{NUMBERS.normalize(value):f}" if value else "0"


def kept(typed: Typed, depth: int = 0) -> Typed:
    """Return a copy of a value in the form in which it is kept; equal values have equal forms."""
    if len(typed) != 1:
        raise invalid("Supplied AttributeValue must contain exactly one of the supported datatypes")
    [(kind, value)] = typed.items()
    if kind == "S" and isinstance(value, str):
        return {"S": value}
    if kind == "N":
        return {"N": number(value)}
    return {kind: _kept_other(kind, value, depth)}


def _kept_other(kind: str, value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        raise invalid(f"Nesting Levels have exceeded supported limits: {_DEEPEST}")
    if kind in SETS:
        return _kept_set(kind, value)
    if kind == "L":
        return [kept(each, depth + 1) for each in value]
    if kind == "M":
        return {name: kept(each, depth + 1) for name, each in value.items()}
    if kind == "B" and isinstance(value, bytes | bytearray):
        return bytes(value)
    if (kind == "BOOL" and isinstance(value, bool)) or (kind == "NULL" and value is True):
        return value
    raise invalid(f"Supplied AttributeValue is not valid: {kind}")


def _kept_set(kind: str, members: Any) -> list[Any]:
    if not members:
        raise invalid("One or more parameter values were invalid: An set may not be empty")
    form = [kept({SETS[kind]: each})[SETS[kind]] for each in members]
    if len(set(form)) != len(form):
        raise invalid("Input collection contains duplicates.")
    return sorted(form)


def kept_item(item: Item) -> Item:
    """Return a copy of an item, or of other values by name, in the form in which it is kept."""
    return {name: kept(value) for name, value in item.items()}


def copied(answer: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of an answer, which its caller may change."""
    made: dict[str, Any] = _DECODER.decode(_ENCODER.encode(answer))
    return made


def order_of(typed: Typed) -> Any:
    """Return a value that Python orders as DynamoDB does; only S, N and B have an order."""
    [(kind, value)] = typed.items()
    return NUMBERS.create_decimal(value) if kind == "N" else value


def is_larger(item: Item, most: int) -> bool:
    """Return whether an item has more bytes than these; its JSON is longer, and quickly made."""
    return len(json.encode(item)) > most and size_of(item) > most


def size_of(item: Item) -> int:
    """Return the bytes of an item as DynamoDB counts them (developer guide, item sizes)."""
    return sum(_length(name) + _size(value) for name, value in item.items())


def _length(text: str | bytes) -> int:
    return len(text) if isinstance(text, bytes) or text.isascii() else len(text.encode())


def _size(typed: Typed) -> int:
    [(kind, value)] = typed.items()
    if kind in ("S", "B"):
        return _length(value)
    if kind == "N":
        digits = value.strip("-").replace(".", "").strip("0")
        return ceil(len(digits) / 2) + 1
    if kind == "M":
        return 3 + sum(_length(name) + _size(each) + 1 for name, each in value.items())
    if kind == "L":
        return 3 + sum(_size(each) + 1 for each in value)
    return sum(_size({SETS[kind]: each}) for each in value) if kind in SETS else 1
