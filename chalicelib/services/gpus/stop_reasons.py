"""Why a GPU instance is to be stopped, and from when. The Stopper acts on it; callers read it."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.models.fleet import stops
from chalicelib.models.fleet.instance import GAP_SECONDS
from chalicelib.services.gpus.state import BOOTING, DRAINING, READY, STARTING, UNHEALTHY

if TYPE_CHECKING:
    from chalicelib.models.fleet.instance import InstanceRecord

REQUESTED = "requested"  # by an administrator
UNPAID = "unpaid"  # the budget is used up
IDLE = "idle"
OLD = "old"  # on for too long
NOT_READY = "not ready"  # for as long as a boot may take
SILENT = "silent"  # its ComfyUI does not answer any more
BROKEN = "broken"  # an attempt shows that its ComfyUI has to be restarted
FAILED = "failed"  # it reported that its boot failed

# Those that mean that the instance does not work.
FAULTS = (NOT_READY, SILENT, BROKEN, FAILED)

# An execution that is interrupted while it loads a checkpoint ends after the load; until then its
# ComfyUI looks unhealthy.
_BROKEN_SECONDS = 30
# Longer than ComfyUI takes to restart.
_SILENT_SECONDS = 120


class StopLimits(Struct, frozen=True):
    """How long an instance may be idle, boot and be on, and how long its jobs may then go on."""

    idle_seconds: int
    boot_seconds: int
    max_on_seconds: int
    execution_deadline_seconds: int


class StopReason(Struct, frozen=True):
    """A reason to stop an instance, which holds from `since` + `limit_seconds` on, or `earliest`.

    It waits for the jobs that have slots, for `jobs_seconds` at most; infinity: until they end.
    With `spares_needed` an instance stays on for which `scaling.is_needed` holds.
    """

    kind: str
    since: float
    limit_seconds: float = 0
    jobs_seconds: float = inf
    earliest: float = 0
    spares_needed: bool = False

    @property
    def at(self) -> float:
        """From when an instance without jobs is stopped."""
        return max(self.since + self.limit_seconds, self.earliest)

    @property
    def at_with_jobs(self) -> float:
        """From when an instance is stopped although jobs have slots."""
        return self.at + self.jobs_seconds


def stop_reasons(
    record: InstanceRecord,
    state: str,
    limits: StopLimits,
    *,
    now: float,
    paid_until: float = inf,
    is_held: bool = False,
) -> list[StopReason]:
    """Return the reasons to stop an instance that is on, in the order in which they are tried.

    A reason that does not hold yet will hold at its time, if no job comes and those it has end.
    """
    reasons = []
    requested_at = record.stop_requested_at
    if requested_at is not None or is_held:
        reasons.append(StopReason(REQUESTED, float(now if requested_at is None else requested_at)))
    if paid_until < inf:
        reasons.append(StopReason(UNPAID, paid_until))
    if _will_be_idle(record, state, now):
        reasons.append(_idle(record, limits, now))
    elif fault := _fault(record, state, limits, now):
        reasons.append(fault)
    return [*reasons, _old(record, state, limits, now)]


def _will_be_idle(record: InstanceRecord, state: str, now: float) -> bool:
    """Return whether it is idle, or will be when the time is over for which it drains."""
    drains = state == DRAINING and not record.slot_holders
    return state == READY or (drains and (record.draining_until or 0) > now)


def _idle(record: InstanceRecord, limits: StopLimits, now: float) -> StopReason:
    # `served_at` also covers jobs that came and ended between two rounds.
    used_at = now if _was_missed(record, now) else float(record.used_at or now)
    return StopReason(
        IDLE,
        max(used_at, float(record.served_at or 0)),
        limits.idle_seconds,
        earliest=float(record.draining_until or 0),
        spares_needed=True,
    )


def _was_missed(record: InstanceRecord, now: float) -> bool:
    """Return whether it was not seen for so long that its times begin anew."""
    return bool(now - record.seen_at > GAP_SECONDS)


def _fault(record: InstanceRecord, state: str, limits: StopLimits, now: float) -> StopReason | None:
    seen_since = stops.same_state_since(record, state, now=now)
    since = now if seen_since is None else seen_since
    if record.unhealthy_attempt and state == UNHEALTHY:
        since = float(record.unhealthy_since or since)
        return StopReason(BROKEN, since, _BROKEN_SECONDS, jobs_seconds=0)
    if record.ready_at is not None and record.unreachable_since is not None:
        since = float(record.unreachable_since)
        return StopReason(SILENT, since, _SILENT_SECONDS, jobs_seconds=0)
    if record.unhealthy_reason and record.on_since and record.ready_at is None:
        return StopReason(FAILED, since, jobs_seconds=0)
    if state in (STARTING, BOOTING, UNHEALTHY):
        # It may have been stopped and started since it was last seen.
        since = max(since, float(record.on_since or since))
        jobs_seconds = 0 if state == UNHEALTHY else inf
        return StopReason(NOT_READY, since, limits.boot_seconds, jobs_seconds=jobs_seconds)
    return None


def _old(record: InstanceRecord, state: str, limits: StopLimits, now: float) -> StopReason:
    is_idle = state == READY
    return StopReason(
        OLD,
        float(record.on_since or now),
        limits.max_on_seconds,
        inf if is_idle else limits.execution_deadline_seconds,
        spares_needed=is_idle,
    )
