"""The metrics and log lines of jobs."""

from chalicelib import metrics
from chalicelib.models.jobs.job import Job


def accepted(jobs: list[Job]) -> None:
    for job in jobs:
        metrics.emit("job accepted", {"JobsAccepted": 1}, job_id=job.id, owner=job.owner)


def ended(job: Job) -> None:
    """Log how a job ended, how long it waited for a GPU, and how long it had one."""
    figures = {f"Jobs{job.status.capitalize()}": 1.0}
    if job.started_at is not None:
        figures["WaitSeconds"] = round(job.started_at - job.created_at, 3)
    figures["JobSeconds"] = round(job.finished_at - job.created_at, 3)
    if job.gpu_seconds:
        figures["GpuSeconds"] = round(job.gpu_seconds, 3)
    metrics.emit(f"job {job.status}", figures, job_id=job.id, attempts=len(job.attempts))
