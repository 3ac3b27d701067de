"""Whole numbers, however JSON writes them."""

import re

_NUMBER = re.compile(rb"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")
_LONGEST = 20  # digits of the largest number that a field may have
_LONGEST_EXPONENT = 9


def is_number(text: bytes) -> bool:
    """Whether JSON would read a text as a number."""
    return _NUMBER.fullmatch(text) is not None


def written_out(number: bytes) -> bytes:
    """Return a whole number without point and exponent: 512.0 and 5.12e2 are 512.

    A number that is not whole, or has more than 20 digits, is returned unchanged.
    """
    if number.isdigit() or not (found := _NUMBER.fullmatch(number)):
        return number
    sign, whole, fraction, exponent = found.groups(b"")
    written = whole + fraction
    digits = written.rstrip(b"0")
    if not digits:
        return b"0"
    if len(exponent) > _LONGEST_EXPONENT:
        return number
    zeros = int(exponent or 0) - len(fraction) + len(written) - len(digits)
    digits = digits.lstrip(b"0")
    if not 0 <= zeros <= _LONGEST - len(digits):
        return number
    return sign + digits + b"0" * zeros
