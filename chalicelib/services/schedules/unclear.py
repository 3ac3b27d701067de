"""Forms of cron that AWS, Quartz and other programs read differently."""

from __future__ import annotations

from chalicelib.services.schedules.cron import Cron
from chalicelib.services.schedules.cron_fields import DAY_OF_MONTH, DAY_OF_WEEK, Flaw
from chalicelib.services.schedules.day_rules import DaysOfWeek, LastDay, NearestWeekday

_SHORTEST_MONTH = 28


def unclear_flaw(cron: Cron) -> Flaw | None:
    """Return why a cron expression has no agreed meaning, and what to write; None if it has."""
    rule = cron.days
    if isinstance(rule, LastDay) and rule.before:
        return _of_month(f"AWS does not document L-{rule.before}", "Write L or a number", "L")
    if isinstance(rule, NearestWeekday) and (rule.day or 0) > _SHORTEST_MONTH:
        reason = f"programs differ on {rule.day}W in a month without that day"
        return _of_month(reason, "Write LW or 1W-28W", "LW")
    return _of_week(cron.fields[4], rule) if isinstance(rule, DaysOfWeek) else None


def _of_month(reason: str, advice: str, fix: str) -> Flaw:
    return Flaw(DAY_OF_MONTH.name, reason, advice, fix)


def _of_week(text: str, rule: DaysOfWeek) -> Flaw | None:
    if text == "L":
        reason, advice = "programs differ on L without a day", "Write SAT, or a day as in 6L"
    elif "/" in text:
        reason, advice = "AWS does not document steps here", "Write the days"
    else:
        return None
    names = ",".join(map(DAY_OF_WEEK.name_of, rule.numbers))
    return Flaw(DAY_OF_WEEK.name, reason, advice, names)
