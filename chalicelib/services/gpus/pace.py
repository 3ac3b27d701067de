"""How fast the GPUs are: from one image to the next, and until one is ready."""

from chalicelib.models.fleet.instance import InstanceRecord


def pace_seconds(records: list[InstanceRecord]) -> float | None:
    """Return the seconds from one image to the next over all busy GPUs; None if unknown.

    If none is busy, one GPU will be.
    """
    at_work = [record for record in records if record.jobs]
    seconds = [
        float(record.execution_seconds)
        for record in at_work or records
        if record.execution_seconds is not None
    ]
    return sum(seconds) / len(seconds) / max(len(at_work), 1) if seconds else None


def boot_seconds(records: list[InstanceRecord], now: float) -> float | None:
    """Return the seconds until an instance is ready, 0 if one is; None if unknown."""
    usable = [each for each in records if not _is_leaving(each, now)]
    if any(each.ready_at is not None or each.jobs for each in usable):
        return 0
    whole = _average_boot(records)
    rests = [
        max(seconds - (now - float(each.on_since)), 0)
        for each in usable
        if each.on_since is not None and (seconds := each.boot_seconds or whole) is not None
    ]
    if rests:
        return min(rests)
    may_start = any((each.unhealthy_until or 0) <= now for each in records)
    return whole if may_start else None


def _is_leaving(record: InstanceRecord, now: float) -> bool:
    """Return whether an instance is about to stop, or does not work."""
    is_unhealthy = record.unhealthy_reason is not None and record.on_since is not None
    return record.is_draining(now) or is_unhealthy


def _average_boot(records: list[InstanceRecord]) -> float | None:
    known = [float(each.boot_seconds) for each in records if each.boot_seconds is not None]
    return sum(known) / len(known) if known else None
