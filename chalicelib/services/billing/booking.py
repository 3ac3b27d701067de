"""Book the seconds of GPU instances as booting, busy or idle, each second once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import metrics
from chalicelib.days import date_of, day_end
from chalicelib.models.fleet.instance import GAP_SECONDS, InstanceRecord
from chalicelib.models.usage import BOOTING, BUSY, IDLE, book
from chalicelib.services.billing.prices import cost_of

if TYPE_CHECKING:
    from chalicelib.gateways.ec2 import Instance


def account(instance: Instance, record: InstanceRecord, *, until: float, is_ready: bool) -> None:
    """Book the seconds since the last booking; safe to repeat.

    Call it each minute while the instance is on, with the time when it was observed: it may be off
    since then.
    """
    now = round(max(until, float(record.on_since or 0)), 3)
    since, starts = _unbooked_since(instance, record, now)
    if since == now and not starts:
        return
    while True:
        end = min(now, day_end(since))
        is_booked = _book(instance, record, since, end, is_ready=is_ready, starts=starts)
        if end >= now or not is_booked:
            return
        since, starts = end, 0


def _book(
    instance: Instance,
    record: InstanceRecord,
    since: float,
    now: float,
    *,
    is_ready: bool,
    starts: int,
) -> bool:
    """Book seconds of one day; return False if another process booked them first."""
    elapsed = max(now - since, 0)
    boots_until = float(record.ready_at or since) if is_ready else now
    booting = min(max(boots_until - since, 0), elapsed)
    accounted = float(record.accounted_execution_seconds or 0)
    # The seconds of an execution are known at its end: those that do not fit into this booking
    # are booked as busy in the next minutes.
    unbooked = float(record.execution_total_seconds or 0) - accounted
    busy = min(max(unbooked, 0), elapsed - booting)
    spent = {BOOTING: booting, BUSY: busy, IDLE: elapsed - booting - busy}
    amounts = _amounts(instance.type, {kind: each for kind, each in spent.items() if each})
    if starts:
        amounts["starts"] = starts
        busy = max(unbooked, busy)  # executions from before the start are over
    if amounts:
        execution_seconds = round(accounted + busy, 3)
        if not book(record, date_of(since), amounts, now=now, execution_seconds=execution_seconds):
            return False
        figures = _figures(spent, amounts)
        figures["OnSeconds"] = round(now - float(record.on_since or now), 3)
        metrics.emit("GPU time booked", figures, instance_id=instance.id)
    return True


def _unbooked_since(instance: Instance, record: InstanceRecord, now: float) -> tuple[float, int]:
    """Return when the unbooked seconds begin, and 1 if the instance has started since, else 0."""
    booked_at, on_since = record.accounted_at, record.on_since
    if on_since is not None and (booked_at is None or booked_at < on_since):
        return min(float(on_since), now), 1
    # A long gap is booked only if EC2 says when it started the instance, which shows it was on.
    if booked_at is None or (now - booked_at > GAP_SECONDS and not instance.launched_at):
        return now, 1
    return min(float(booked_at), now), 0


def _figures(spent: dict[str, float], amounts: dict[str, float]) -> dict[str, float]:
    seconds = {
        f"{kind.capitalize()}Seconds": round(each, 3) for kind, each in spent.items() if each
    }
    cost = sum(each for name, each in amounts.items() if name.endswith("_cost"))
    return {**seconds, "GpuDollars": round(cost, 6)} if cost else seconds


def _amounts(instance_type: str, spent: dict[str, float]) -> dict[str, float]:
    amounts: dict[str, float] = {}
    for kind, seconds in spent.items():
        amounts[f"{kind}_seconds"] = round(seconds, 3)
        amounts[f"{kind}_cost"] = cost_of(instance_type, seconds) or 0
    return amounts
