"""Jobs and their images as callers see them."""

from collections.abc import Callable
from time import time
from typing import Any

from msgspec import ValidationError, convert

from chalicelib.bootstrap import services
from chalicelib.config import config
from chalicelib.errors import (
    DarkroomError,
    GenerationFailed,
    JobCanceled,
    JobExpired,
    NotFound,
)
from chalicelib.models.jobs.attempt import sentence_of
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.status import RUNNING
from chalicelib.schemas.answers.images import PostImage
from chalicelib.schemas.answers.jobs import Attempt, JobError, Metadata, Progress
from chalicelib.schemas.answers.jobs import Job as JobResource
from chalicelib.schemas.times import timestamp
from chalicelib.services.jobs.failures import EXPIRED
from chalicelib.services.jobs.wait_estimate import NoWaits, Wait, Waits

Link = Callable[[str], str]


def job_resources(jobs: list[Job], link: Link, waits: Waits | NoWaits) -> list[JobResource]:
    """Return jobs as `GET /api/images/jobs` shows them, with links to its images."""
    known = waits.of(jobs)
    return [_resource(job, link, known[job.id]) for job in jobs]


def job_resource(job: Job, link: Link, waits: Waits | NoWaits | None = None) -> JobResource:
    """Return a job as `GET /api/images/jobs/{id}` shows it."""
    [resource] = job_resources([job], link, waits or services().waits())
    return resource


def _resource(job: Job, link: Link, wait: Wait) -> JobResource:
    return JobResource(
        id=job.id,
        priority=job.priority,
        status=wait.status,
        status_reason=wait.reason,
        progress=_progress(job) if job.status == RUNNING else None,
        queue_position=wait.position,
        queue_position_is_minimum=wait.is_minimum,
        estimated_wait_seconds=wait.seconds,
        created_at=timestamp(job.created_at),
        expires_at=timestamp(job.waits_until),
        started_at=_time(job.started_at),
        finished_at=_time(job.finished_at),
        attempts=[
            Attempt(started_at=timestamp(each.started_at), reason=sentence_of(each.reason))
            for each in job.attempts
        ],
        post_id=job.post_id,
        schedule_id=job.schedule_id,
        scheduled_at=job.scheduled_at,
        seed=job.parameters["seed"],
        metadata=metadata(job),
        image_urls=image_urls(job, link),
        gpu_seconds=round(float(job.gpu_seconds), 3),
        gpu_cost=dollars(job.gpu_cost),
        error=None if job.error is None else JobError(**error_fields(job)),
    )


def error_fields(job: Job) -> dict[str, Any]:
    """Return the error of a job that has failed, as its answers have it."""
    return {name: job.error.get(name) for name in JobError.__struct_fields__}


def _progress(job: Job) -> Progress | None:
    """Return the progress; None if a custom node reported what is none."""
    try:
        return convert(job.progress, Progress | None)
    except ValidationError:
        return None


def metadata(job: Job) -> Metadata:
    """Return the parameters that the spec's `metadata` has."""
    return Metadata(**{name: job.parameters[name] for name in Metadata.__struct_fields__})


def image_urls(job: Job, link: Link) -> list[str]:
    """Return links to the job's images, as long as they are kept."""
    return [link(image["key"]) for image in kept_images(job)]


def kept_images(job: Job) -> list[dict[str, Any]]:
    """Return the job's images, or none after `IMAGE_RETENTION_DAYS`."""
    images: list[dict[str, Any]] = job.images
    return images if time() < job.images_expire_at else []


def check_kept(jobs: list[Job]) -> None:
    """Raise NotFound if images have expired, as when an old request is repeated."""
    for job in jobs:
        if job.images and not kept_images(job):
            raise no_longer_kept(
                f"the image of job {job.id}",
                suggestion="Send the request with another Idempotency-Key to generate it again",
            )


def no_longer_kept(what: str, suggestion: str = "Generate it again") -> NotFound:
    """Return the error for an expired image."""
    error = f"{what} has expired: images are kept for {config.image_retention_days} days"
    return NotFound(error, title="Image not found", suggestion=suggestion)


def post_images(job: Job, link: Link) -> list[PostImage]:
    """Return a job's images as a post lists them."""
    return [
        PostImage(
            id=image["id"],
            image_url=link(image["key"]),
            job_id=job.id,
            created_at=_time(job.finished_at),
            metadata=metadata(job),
        )
        for image in kept_images(job)
    ]


def failure(job: Job) -> DarkroomError:
    """Return the error of a failed or canceled job."""
    error = job.error
    kinds = {"canceled": JobCanceled, EXPIRED: JobExpired}
    return kinds.get(error["code"], GenerationFailed)(
        error["message"],
        code=error["code"],
        suggestion=error.get("suggestion"),
        field=error.get("field"),
    )


def dollars(amount: float | None) -> float | None:
    """Round dollars to the millionth; None is not known."""
    return None if amount is None else round(amount, 6)


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else timestamp(seconds)
