"""Jobs and their images as callers see them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from chalicelib.errors import DarkroomError, GenerationFailed, GpuUnavailable, JobCanceled
from chalicelib.models.job import Job
from chalicelib.models.job_status import RUNNING
from chalicelib.services.failures import GPU_NOT_READY
from chalicelib.services.waiting import Wait, waits

# The parameters that the spec's metadata shows, in its order.
METADATA = ("prompt", "negative_prompt", "width", "height", "steps", "cfg_scale", "seed")

Link = Callable[[str], str]


def job_resources(jobs: list[Job], link: Link) -> list[dict[str, Any]]:
    """Return jobs as `GET /api/images/jobs` shows them, their links signed anew."""
    known = waits(jobs)
    return [_resource(job, link, known.get(job.id, Wait())) for job in jobs]


def job_resource(job: Job, link: Link) -> dict[str, Any]:
    """Return a job as `GET /api/images/jobs/{id}` shows it."""
    [resource] = job_resources([job], link)
    return resource


def _resource(job: Job, link: Link, wait: Wait) -> dict[str, Any]:
    return {
        "id": job.id,
        "status": job.status,
        "status_reason": job.status_reason,
        "progress": job.progress if job.status == RUNNING else None,
        "queue_position": wait.position,
        "estimated_wait_seconds": wait.seconds,
        "created_at": timestamp(job.created_at),
        "started_at": timestamp(job.started_at),
        "finished_at": timestamp(job.finished_at),
        "attempts": [
            {"started_at": timestamp(each.started_at), "reason": each.reason}
            for each in job.attempts
        ],
        "post_id": job.post_id,
        "seed": job.parameters["seed"],
        "metadata": metadata(job),
        "image_urls": image_urls(job, link),
        "gpu_seconds": round(job.gpu_seconds, 3),
        "gpu_cost": dollars(job.gpu_cost),
        "error": job.error,
    }


def metadata(job: Job) -> dict[str, Any]:
    """Return what the image was really made with."""
    return {name: job.parameters[name] for name in METADATA}


def image_urls(job: Job, link: Link) -> list[str]:
    """Return fresh links to the job's images."""
    return [link(image["key"]) for image in job.images]


def post_images(job: Job, link: Link) -> list[dict[str, Any]]:
    """Return a job's images as a post lists them."""
    return [
        {
            "id": image["id"],
            "image_url": link(image["key"]),
            "job_id": job.id,
            "created_at": timestamp(job.finished_at),
            "metadata": metadata(job),
        }
        for image in job.images
    ]


def failure(job: Job) -> DarkroomError:
    """Return a failed job's error as one that can be answered."""
    error = job.error
    kinds = {"canceled": JobCanceled, GPU_NOT_READY: GpuUnavailable}
    return kinds.get(error["code"], GenerationFailed)(
        error["message"],
        code=error["code"],
        suggestion=error.get("suggestion"),
        field=error.get("field"),
    )


def dollars(amount: float | None) -> float | None:
    """Write money to the millionth of a dollar; None is not known."""
    return None if amount is None else round(amount, 6)


def timestamp(seconds: float | None) -> str | None:
    """Write a time as RFC 3339 in UTC, to the millisecond."""
    if seconds is None:
        return None
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
