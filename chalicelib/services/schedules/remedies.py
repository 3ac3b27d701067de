"""What to write in place of a malformed expression."""

from __future__ import annotations

import re

from chalicelib.services.schedules.cron import Cron, cron_text
from chalicelib.services.schedules.cron_fields import FIELDS, Flaw, by_unix_names
from chalicelib.services.schedules.unclear import unclear_flaw

_DAILY = "cron(0 7 * * ? *)"
_UNITS = {"": "minute", "m": "minute", "h": "hour", "d": "day", "w": "week"}
_LOOSE_RATE = re.compile(
    r"([1-9][0-9]{0,8})\s*(|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)", re.IGNORECASE
)
_FORM = re.compile(r"^\s*(cron)?\s*\(?|\)?\s*$", re.IGNORECASE)


def form_remedy(text: str) -> str:
    """Return what to do about a text that is none of the three forms."""
    if found := _six(tuple(_FORM.sub("", text).split())):
        return f"Write {cron_text(found)}"
    return f"Write it as in {_DAILY}, rate(5 minutes) or at(2027-06-01T13:00:00)"


def count_remedy(fields: tuple[str, ...]) -> str:
    """Return what to do about fields that are not six."""
    example = cron_text(found) if (found := _six(fields)) else _DAILY
    if len(fields) == 5:
        return f"Add the year: {example}"
    names = ", ".join(field.name for field in FIELDS)
    return f"Write {names}: {example}"


def flaw_remedy(fields: tuple[str, ...], flaw: Flaw) -> str:
    """Return what to do about the flaw of one of six fields."""
    if found := _six(fields):
        return f"Leave out the seconds, and add the year: {cron_text(found)}"
    return fixed(fields, flaw)


def fixed(fields: tuple[str, ...], flaw: Flaw) -> str:
    """Return the advice of a flaw, with the whole expression if the fix makes it valid."""
    if flaw.fix is None:
        return flaw.advice
    whole, in_field = with_field(fields, flaw.field, flaw.fix), f"{flaw.fix} in {flaw.field}"
    return f"{flaw.advice}: {cron_text(whole) if _is_valid(whole) else in_field}"


def with_field(fields: tuple[str, ...], name: str, text: str) -> tuple[str, ...]:
    """Return the fields with another text in one of them."""
    pairs = zip(FIELDS, fields, strict=True)
    return tuple(text if field.name == name else each for field, each in pairs)


def rate_remedy(body: str) -> str:
    """Return what to do about the body of a rate that is not valid."""
    match = _LOOSE_RATE.fullmatch(body)
    unit = _UNITS[match[2][:1].lower()] if match else "minute"
    count = int(match[1]) if match else 5
    if unit == "week":
        unit, count = "day", count * 7
    example = f"rate({count} {unit}{'' if count == 1 else 's'})"
    return f"Write minutes, hours or days, as in {example}"


def _six(fields: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the six valid fields that other fields stand for, as Unix and Quartz write cron."""
    seconds_first = fields[1:]
    tries = (fields, seconds_first, (*seconds_first, "*"), _with_year(fields))
    return next((each for each in tries if len(each) == len(FIELDS) and _is_valid(each)), None)


def _with_year(fields: tuple[str, ...]) -> tuple[str, ...]:
    if len(fields) != 5 or "?" in fields:
        return (*fields, "*")
    minutes, hours, of_month, month, of_week = fields
    if of_week == "*":
        return minutes, hours, of_month, month, "?", "*"
    if of_month == "*":
        return minutes, hours, "?", month, by_unix_names(of_week), "*"
    return ()  # Unix runs on both kinds of days


def _is_valid(fields: tuple[str, ...]) -> bool:
    try:
        return unclear_flaw(Cron.read(fields)) is None
    except Flaw:
        return False
