"""The metrics and log lines of runs."""

from chalicelib import metrics
from chalicelib.models.jobs.job import Job
from chalicelib.models.schedules.run import key_of
from chalicelib.models.schedules.schedule import Schedule
from chalicelib.services.schedules.conditions import Delivery
from chalicelib.signals import NotMade


def made(schedule: Schedule, delivery: Delivery, jobs: list[Job]) -> None:
    """Log that a run made jobs, and how long after its time AWS delivered it."""
    figures = {"RunsMade": 1.0, "RunDelaySeconds": round(delivery.sent_at - delivery.at, 3)}
    about = {"scheduled_at": key_of(delivery.at), "job_ids": [job.id for job in jobs]}
    metrics.emit("run made", figures, schedule_id=schedule.id, **about)


def not_made(schedule: Schedule, at: float, reason: NotMade) -> None:
    """Log that a run makes no jobs, and why."""
    about = {"scheduled_at": key_of(at), "code": reason.code, "reason": str(reason)}
    figures = {f"Runs{reason.status.capitalize()}": 1.0}
    metrics.emit(f"run {reason.status}", figures, schedule_id=schedule.id, **about)
