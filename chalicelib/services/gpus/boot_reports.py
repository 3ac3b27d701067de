"""Read what instances report about their boots, and log the boots, also those that failed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from chalicelib import metrics
from chalicelib.errors import InvalidRequest
from chalicelib.models.fleet import boots
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.schemas.boots import LONGEST_SECONDS, BootReport
from chalicelib.schemas.parsing import parse
from chalicelib.signals import StoreFailed

if TYPE_CHECKING:
    from chalicelib.gateways.ec2 import Instance
    from chalicelib.gateways.s3 import BootReportStore
    from chalicelib.services.gpus.inventory import Inventory

log = logging.getLogger("darkroom.boot_reports")

_LATELY_SECONDS = 86_400  # no boot takes longer
_LOOK_SECONDS = 10  # of the minute; the next round reads the reports that are left
_GIVE_UP_SECONDS = 300  # after the instance became ready
_CLOCKS_SECONDS = 10  # by which the clocks of an instance and of the functions may differ

_REASONS = {
    "driver": "the NVIDIA driver did not work",
    "comfyui": "ComfyUI did not start",
}


class BootReports:
    """The reports of the instances that were started lately; each is read once."""

    def __init__(
        self, inventory: Inventory, reports: BootReportStore, clock: Callable[[], float]
    ) -> None:
        self._inventory = inventory
        self._reports = reports
        self._clock = clock

    def read_new(self) -> None:
        """Read the reports that are new, and log the boots; an error of S3 is ignored."""
        now = self._clock()
        for instance in self._inventory.members():
            if self._clock() > now + _LOOK_SECONDS:
                break
            if not _was_started_lately(instance, now):
                continue
            record = InstanceRecord.read(instance.id)
            if _is_due(record, now):
                self._read(record, now)
            log_failed_boot(record)

    def _read(self, record: InstanceRecord, now: float) -> None:
        try:
            report = self._report_of(record, now)
        except StoreFailed as error:
            log.warning("%s", error, exc_info=True, extra={"instance_id": record.id})
            return
        has_failed = boots.has_failed(record)
        # Of a boot that is under way only a failure counts: it is ready a moment later.
        if report and (report.failed or has_failed or record.ready_at is not None):
            _note(record, report)
        elif has_failed:
            boots.note_report(record, {})  # it is off, and reports nothing more

    def _report_of(self, record: InstanceRecord, now: float) -> BootReport | None:
        """Return the report of the latest start; None if there is none, or none that is valid."""
        text = self._reports.read(record.id)
        if text is None:
            return None
        try:
            report = parse(text, BootReport)
        except InvalidRequest as error:
            log.warning(
                "the report of a boot is not valid: %s", error, extra={"instance_id": record.id}
            )
            return None
        earliest, latest = record.started_at - _CLOCKS_SECONDS, now + _CLOCKS_SECONDS
        return report if earliest <= report.kernel_started_at <= latest else None


def log_failed_boot(record: InstanceRecord) -> None:
    """Log the latest boot, with a metric, if it has failed and is not logged yet."""
    if boots.mark_logged(record):
        about = {"instance_id": record.id, "reason": record.unhealthy_reason}
        metrics.emit("boot failed", {"FailedBoots": 1}, **about)


def _was_started_lately(instance: Instance, now: float) -> bool:
    """Return whether a boot may be new; at rest no record is read for that."""
    is_old = now - (instance.launched_at or now) > _LATELY_SECONDS
    return instance.can_be_started and not is_old


def _is_due(record: InstanceRecord, now: float) -> bool:
    if boots.is_reported(record):
        return False
    if record.ready_at is not None:
        return bool(now - record.ready_at <= _GIVE_UP_SECONDS)
    is_open = record.on_since is not None or boots.has_failed(record)
    return bool(is_open and now - record.started_at <= LONGEST_SECONDS)


def _note(record: InstanceRecord, report: BootReport) -> None:
    pending = round(max(report.kernel_started_at - float(record.started_at), 0), 3)
    steps: dict[str, float] = {"pending": pending} | dict(report.steps.items())
    is_whole = report.is_whole and record.ready_at is not None
    reason = _REASONS[report.failed] if report.failed else None
    seconds = pending + report.later_seconds if is_whole else None
    if not boots.note_report(record, steps, seconds=seconds, reason=reason):
        return
    about = {"instance_id": record.id, "steps": steps}
    if is_whole:
        metrics.emit("GPU booted", {"BootSeconds": round(sum(steps.values()), 3)}, **about)
    else:
        log.warning("the steps of a boot: %s", reason or "some are missing", extra=about)
