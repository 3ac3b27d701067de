"""The boots of a GPU instance: how its record changes when one fails or is reported."""

from typing import Any

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib.models.fleet.instance import START_SECONDS, InstanceRecord, averaged
from chalicelib.models.table import set_or_remove

WENT_OFF = "it went off while it booted"

# An instance that failed to boot so often in a row is left alone for a while.
_MOST_FAILED_BOOTS = 3
_UNHEALTHY_SECONDS = 3600

_SCARCE_SECONDS = 300  # EC2 is asked for other types and instances first


def is_booting(record: InstanceRecord) -> bool:
    """Return whether the instance was started and has not become ready."""
    return record.on_since is not None and record.ready_at is None


def went_off(
    record: InstanceRecord, *, now: float, why: str | None = None, launched_at: float | None = None
) -> None:
    """Note that an instance is off, unless it was started since its record was read.

    If it was booting, and Darkroom did not stop it, its boot has failed: `why` is EC2's reason, if
    it had one. A start before which EC2 last launched it (`launched_at`) was none.
    """
    on_since, ready_at = record.on_since, record.ready_at
    if on_since is None and ready_at is None:
        return
    is_stopped = record.draining_until is not None or record.stop_requested_at is not None
    if is_booting(record) and not is_stopped and (why or _was_launched(record, launched_at)):
        failed(record, why or record.unhealthy_reason or WENT_OFF, now=now)
    record.update_if(_is(InstanceRecord.on_since, on_since), *_off())


def taken_back(record: InstanceRecord, instance_type: str, *, now: float) -> bool:
    """Note that EC2 had no capacity for the latest start after all; return False if it is noted.

    This is no failed boot. For some minutes the instance is not started as this type while there
    are others.
    """
    scarce = {**scarce_until(record, now=now), instance_type: now + _SCARCE_SECONDS}
    unchanged = _is(InstanceRecord.on_since, record.on_since)
    return record.update_if(unchanged, InstanceRecord.scarce_types.set(scarce), *_off())


def scarce_until(record: InstanceRecord, *, now: float) -> dict[str, float]:
    """Return the types of which EC2 took back a start, each with the time until which it counts."""
    known: dict[str, float] = record.scarce_types or {}
    return {name: until for name, until in known.items() if until > now}


def _off() -> list[Action]:
    record = InstanceRecord
    past = (record.on_since, record.ready_at, record.budget_ends_at, record.stop_requested_at)
    return [each.remove() for each in past]


def _was_launched(record: InstanceRecord, launched_at: float | None) -> bool:
    started_at = record.started_at
    return launched_at is None or started_at is None or launched_at > started_at - START_SECONDS


def failed(record: InstanceRecord, reason: str, *, now: float) -> None:
    """Count a failed boot, once for each start; do nothing if the instance has become ready.

    After three in a row the instance is not started for an hour.
    """
    if record.started_at is None:
        return
    count = record.failed_boots + 1
    actions: list[Action] = [
        InstanceRecord.failed_boots.set(count),
        InstanceRecord.failed_start.set(record.started_at),
        InstanceRecord.unhealthy_reason.set(reason),
    ]
    if count >= _MOST_FAILED_BOOTS:
        actions.append(InstanceRecord.unhealthy_until.set(now + _UNHEALTHY_SECONDS))
    is_new = _is_new(record, InstanceRecord.failed_start)
    record.update_if(is_new & InstanceRecord.ready_at.does_not_exist(), *actions)


def has_failed(record: InstanceRecord) -> bool:
    """Return whether the boot of the latest start has failed."""
    return record.started_at is not None and record.failed_start == record.started_at


def mark_logged(record: InstanceRecord) -> bool:
    """Mark a failed boot as logged; return False if it is already, or if none has failed."""
    if not has_failed(record) or record.logged_start == record.started_at:
        return False
    logged = InstanceRecord.logged_start
    return record.update_if(_is_new(record, logged), logged.set(record.started_at))


def is_reported(record: InstanceRecord) -> bool:
    """Return whether the report of the latest start has been read, or is not looked for."""
    return record.started_at is None or record.reported_start == record.started_at


def note_report(
    record: InstanceRecord,
    steps: dict[str, float],
    *,
    seconds: float | None = None,
    reason: str | None = None,
) -> bool:
    """Note what the latest start reported; return False if that was done already.

    `seconds` is how long the boot would take at a later start. It replaces what `became_ready`
    measured, so the instance has to be ready. `reason` is why the boot failed.
    """
    reported = InstanceRecord.reported_start
    fault = reason if record.ready_at is None else None
    actions: list[Action] = [
        reported.set(record.started_at),
        set_or_remove(InstanceRecord.boot_steps, steps or None),
        InstanceRecord.boot_failed.set(fault is not None or has_failed(record)),
    ]
    if fault:
        actions.append(InstanceRecord.unhealthy_reason.set(fault))
    elif seconds is not None:
        average = averaged(record.former_boot_seconds, seconds)
        actions.append(InstanceRecord.boot_seconds.set(average))
    unchanged = _is(InstanceRecord.ready_at, record.ready_at)
    return record.update_if(_is_new(record, reported) & unchanged, *actions)


def _is_new(record: InstanceRecord, attribute: Any) -> Condition:
    """Hold if the latest start is the one of the record, and is not in the attribute yet."""
    is_latest: Condition = InstanceRecord.started_at == record.started_at
    is_new: Condition = is_latest & (attribute.does_not_exist() | (attribute != record.started_at))
    return is_new


def _is(attribute: Any, value: Any) -> Condition:
    condition: Condition = attribute.does_not_exist() if value is None else attribute == value
    return condition
