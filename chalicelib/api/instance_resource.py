"""The GPU instances as administrators see them."""

from chalicelib.api.job_resource import dollars
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.usage import BOOTING, BUSY, IDLE, KINDS
from chalicelib.schemas.answers.gpus import Boot, BootStep, Hold, Instance, InstanceList, Today
from chalicelib.schemas.answers.usage import GpuSeconds
from chalicelib.schemas.times import timestamp
from chalicelib.services.gpus.instances import FleetReport, InstanceReport


def instance_list(report: FleetReport) -> InstanceList:
    """Return a report as `GET /api/images/comfyui/instances` shows it."""
    return InstanceList(
        instances=[_instance(each) for each in report.instances],
        waiting_jobs=report.waiting_jobs,
        hold=Hold(until=timestamp(report.held_until)) if report.held_until else None,
        today=Today(
            cost=dollars(report.cost),
            budget=report.budget,
            budget_ends_at=_time(report.budget_ends_at),
        ),
    )


def _instance(report: InstanceReport) -> Instance:
    record, booked, stop = report.record, report.booked, report.stop
    return Instance(
        id=record.id,
        instance_type=report.description.instance_type or None,
        zone=report.description.zone,
        state=report.state,
        since=_time(report.since),
        jobs=sorted(record.slot_holders),
        started_at=_time(record.started_at),
        on_since=_time(record.on_since),
        unhealthy_reason=record.unhealthy_reason,
        gpu_seconds=None if booked is None else _gpu_seconds(booked),
        cost=None if booked is None else _cost(booked),
        last_boot=_last_boot(record),
        stops_at=_time(stop.at) if stop else None,
        stop_reason=stop.text if stop else None,
    )


def _gpu_seconds(booked: dict[str, float]) -> GpuSeconds:
    booting, busy, idle = (
        round(booked.get(f"{kind}_seconds", 0), 3) for kind in (BOOTING, BUSY, IDLE)
    )
    return GpuSeconds(booting=booting, busy=busy, idle=idle)


def _cost(booked: dict[str, float]) -> float | None:
    return dollars(sum((booked.get(f"{kind}_cost", 0) for kind in KINDS), 0.0))


def _last_boot(record: InstanceRecord) -> Boot | None:
    if record.reported_start is None:
        return None
    steps = (record.boot_steps or {}).items()
    return Boot(
        started_at=timestamp(record.reported_start),
        failed=bool(record.boot_failed),
        steps=[BootStep(step=step, seconds=seconds) for step, seconds in steps],
    )


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else timestamp(seconds)
