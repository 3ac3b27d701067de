"""Schedule expressions: `cron(…)`, `rate(…)` and `at(…)`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from chalicelib.errors import InvalidRequest
from chalicelib.services.schedules.cron import Cron
from chalicelib.services.schedules.cron_fields import YEAR, Flaw
from chalicelib.services.schedules.remedies import (
    count_remedy,
    fixed,
    flaw_remedy,
    form_remedy,
    rate_remedy,
)
from chalicelib.services.schedules.unclear import unclear_flaw

MOST_CHARACTERS = 256

_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400}
_FORM = re.compile(r"(cron|rate|at)\((.*)\)", re.DOTALL)
_RATE = re.compile(r"([0-9]+)\s+(minute|hour|day)s?", re.IGNORECASE)
_AT = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})")


@dataclass(frozen=True)
class Rate:
    """Every so many minutes, hours or days of real time: a day has 24 hours."""

    count: int
    unit: str

    @property
    def seconds(self) -> int:
        """The seconds between two runs."""
        return self.count * _SECONDS[self.unit]

    @property
    def text(self) -> str:
        """The expression as it is sent to AWS."""
        return f"rate({self.count} {self.unit}{'' if self.count == 1 else 's'})"


@dataclass(frozen=True)
class At:
    """Once, at a wall time."""

    time: datetime

    @property
    def text(self) -> str:
        """The expression as it is sent to AWS."""
        return f"at({self.time.isoformat()})"


Expression = Cron | Rate | At


@lru_cache(maxsize=256)
def parse(text: str) -> Expression:
    """Read an expression; raise InvalidRequest, with what to do, if it is malformed.

    This also reads some forms of cron that AWS and other programs read differently:
    see `refuse_unclear`.
    """
    if len(text) > MOST_CHARACTERS:
        raise _refusal(
            f"the expression has {len(text)} characters", f"Send at most {MOST_CHARACTERS}"
        )
    match = _FORM.fullmatch(text.strip()) if text.isascii() else None
    if not match:
        raise _refusal("the expression is not cron(…), rate(…) or at(…)", form_remedy(text))
    form, body = match.groups()
    if form == "cron":
        return _cron(tuple(body.split()))
    return _rate(body.strip()) if form == "rate" else _at(body.strip())


def refuse_unclear(expression: Expression) -> None:
    """Raise InvalidRequest, with what to write instead, for a cron without an agreed meaning."""
    if isinstance(expression, Cron) and (flaw := unclear_flaw(expression)):
        raise _refusal(str(flaw), fixed(expression.fields, flaw))


def _cron(fields: tuple[str, ...]) -> Cron:
    try:
        if len(fields) != 6:
            reason = f"cron has six fields and {len(fields)} were sent"
            raise _refusal(reason, count_remedy(fields))
        return Cron.read(fields)
    except Flaw as flaw:
        raise _refusal(str(flaw), flaw_remedy(fields, flaw)) from None


def _rate(body: str) -> Rate:
    match = _RATE.fullmatch(body)
    if not match or int(match[1]) < 1:
        raise _refusal(
            f"{body!r} is not a number of at least 1 and minutes, hours or days", rate_remedy(body)
        )
    return Rate(int(match[1]), match[2].lower())


def _at(body: str) -> At:
    try:
        match = _AT.fullmatch(body)
        if match and YEAR.low <= int(match[1]) <= YEAR.high:
            return At(datetime(*map(int, match.groups())))  # type: ignore[arg-type]  # noqa: DTZ001
    except ValueError:
        pass
    raise _refusal(
        f"{body!r} is not a time of the years {YEAR.low}-{YEAR.high} as yyyy-mm-ddThh:mm:ss",
        "Write the local time without Z and without an offset, as in at(2027-06-01T13:00:00)",
    )


def _refusal(error: str, suggestion: str) -> InvalidRequest:
    return InvalidRequest(error, field="expression", suggestion=suggestion)
