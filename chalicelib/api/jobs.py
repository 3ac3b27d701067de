"""Jobs, and durable links to their images."""

from collections.abc import Iterator
from itertools import chain, islice
from time import time
from typing import Annotated, Literal

from chalice import Response
from chalice.app import Request
from msgspec import UNSET, Meta

from chalicelib.api.deadline import deadline
from chalicelib.api.errors import conflict
from chalicelib.api.identity import identity
from chalicelib.api.job_resource import job_resource, job_resources, kept_images, no_longer_kept
from chalicelib.api.operation import Answer, Header, Operation, Parameter, links
from chalicelib.api.paging import CURSOR, LIMIT, NEXT, Page, requested, respond
from chalicelib.api.routes import Headers, Routes, query
from chalicelib.bootstrap import services
from chalicelib.errors import InvalidRequest, JobFinished, NotFound
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.listing import found, newest, of_schedule, open_for, shown
from chalicelib.models.jobs.status import QUEUED, STARTING, STATUSES
from chalicelib.models.keys.api_key import GENERATE
from chalicelib.schemas.answers.jobs import CanceledJobs
from chalicelib.schemas.answers.jobs import Job as JobResource
from chalicelib.schemas.generation import CancelRequest

job_routes = Routes(__name__)

_DEFAULT_LIMIT = 50
_LONGEST_ID = 40

_MOST_CANCELED = 100
_CLEANUP_SECONDS = 12.0  # in which ComfyUIs are asked to stop, for 5 s and one more request each


_STATUS = Parameter(
    "status",
    Literal["queued", "starting", "running", "succeeded", "failed", "canceled"],
    "Only jobs of this status.",
)
_SCHEDULE = Parameter(
    "schedule_id",
    Annotated[str, Meta(pattern=r"^[0-9A-Za-z]{1,40}\Z")],
    "Only jobs of this schedule. It cannot be combined with `status`.",
)
_SIGNED = Answer(
    302,
    None,
    "A redirect to a signed link, which is valid for one method.",
    (Header("Location", "The signed link."), Header("Cache-Control", "`no-store`.")),
)
_ENDED = Answer(200, JobResource, "The job.", links=links("job_id", "/id", "getJob"))


def _file_operation(name: str) -> Operation:
    return Operation(name, "Images", (_SIGNED,))


@job_routes.get(
    "/api/images/jobs",
    Operation(
        "listJobs",
        "Jobs",
        (Answer(200, list[JobResource], "A page of the jobs.", (NEXT,)),),
        parameters=(_STATUS, _SCHEDULE, LIMIT, CURSOR),
        errors=(InvalidRequest,),
    ),
)
def list_jobs() -> Response:
    """List jobs.

    The newest is first. A page has 50 jobs unless `limit` says otherwise.
    """
    request, link = job_routes.current_request, services().images.url
    asked, status, schedule_id = requested(request), _status(request), _schedule(request)
    limit = asked.limit or _DEFAULT_LIMIT
    if schedule_id:
        ids = _of_schedule(schedule_id, limit + 1, asked.after)
    elif status in (QUEUED, STARTING) and services().waits().status != status:
        ids = iter(())  # all jobs in the queue have the other one of these statuses now
    else:
        stored = _stored(status)
        ids = newest(limit + 1, owner=identity(request).sees, status=stored, before=asked.after)
    waits = services().waits()
    resources = (
        each
        for jobs in shown(ids, at_once=limit + 1)
        for each in job_resources(jobs, link, waits)
        if status in (None, each.status)  # an index lags behind the table
    )
    page = Page(limit, asked.after)
    return respond(
        request, resources, page, lambda each: each.id, filters=("status", "schedule_id")
    )


@job_routes.get(
    "/api/images/jobs/{job_id}",
    Operation("getJob", "Jobs", (Answer(200, JobResource, "The job."),)),
)
def get_job(job_id: str) -> JobResource:
    """Read a job, with links to its image."""
    waits = services().waits()
    job = waits.show(_valid(job_id), owner=_sees())
    return job_resource(job, services().images.url, waits)


@job_routes.post(
    "/api/images/jobs/{job_id}/cancel",
    Operation("cancelJob", "Jobs", (_ENDED,), GENERATE, errors=(JobFinished,)),
)
def cancel_job(job_id: str) -> Response:
    """Cancel a job.

    Stops its execution. Answers 409 with the job if it has succeeded or failed.
    """
    job_id = _valid(job_id)
    try:
        job = services().cancellation.cancel(job_id, owner=_sees())
    except JobFinished as finished:
        return conflict(finished, job_resource(Job.show(job_id), services().images.url))
    return Response(job_resource(job, services().images.url))


@job_routes.post(
    "/api/images/jobs/cancel",
    Operation(
        "cancelJobs",
        "Jobs",
        (Answer(200, CanceledJobs, "The jobs that were canceled."),),
        GENERATE,
        body=CancelRequest,
        examples={"all that wait": {"status": "queued"}, "those of a post": {"post_id": "42"}},
    ),
)
def cancel_jobs(body: CancelRequest) -> CanceledJobs:
    """Cancel many jobs.

    Cancels up to 100 of the jobs that the key may see, and says whether there are more.
    """
    by = deadline(job_routes.current_request, now=time(), asked=0)
    ids = _wanted(body)
    canceled, are_left = services().cancellation.cancel_all(
        ids[:_MOST_CANCELED], owner=_sees(), until=by.answer_at - _CLEANUP_SECONDS
    )
    more = are_left or len(ids) > _MOST_CANCELED
    return CanceledJobs(canceled=canceled, more=more)


@job_routes.get("/api/images/files/{image_id}", _file_operation("getImage"))
@job_routes.head("/api/images/files/{image_id}", _file_operation("headImage"))
def get_file(image_id: str) -> Response:
    """Download an image.

    Redirects to a signed link. This URL works for as long as the image is kept: store this one.
    """
    return _redirect(_image(image_id)["key"])


@job_routes.get("/api/images/files/{image_id}/provenance", _file_operation("getProvenance"))
@job_routes.head("/api/images/files/{image_id}/provenance", _file_operation("headProvenance"))
def get_provenance(image_id: str) -> Response:
    """Download an image's provenance.

    Redirects to a JSON file with all that is needed to make the image again.
    """
    key = _image(image_id).get("provenance")
    if key is None:
        error = f"image {image_id[:64]!r} was made before provenance was recorded"
        raise NotFound(error, title="Provenance not found")
    return _redirect(key)


def _redirect(key: str) -> Response:
    # A signed link is for one method: clients follow a redirect of HEAD with HEAD.
    link = services().images.url(key, str(job_routes.current_request.method))
    where: Headers = {"Location": link}
    return Response("", {**where, "Cache-Control": "no-store"}, 302)


def _image(image_id: str) -> dict[str, str]:
    missing = NotFound(f"image {image_id[:64]!r} does not exist", title="Image not found")
    try:
        job = _find(image_id.partition("-")[0])
    except NotFound:
        raise missing from None
    for image in job.images:
        if image["id"] == image_id.upper():
            if not kept_images(job):
                raise no_longer_kept(f"image {image_id[:64]!r}")
            return dict(image)
    raise missing


def _wanted(body: CancelRequest) -> list[str]:
    """Return the ids of the jobs to cancel, and one more if more are left."""
    if body.ids is not UNSET:
        return list(dict.fromkeys(each.upper() for each in body.ids if _may_be(each)))
    if body.post_id is not UNSET:
        return open_for(body.post_id, owner=_sees(), limit=_MOST_CANCELED + 1)
    most, status = _MOST_CANCELED + 1, _stored(str(body.status))
    return list(islice(newest(most, owner=_sees(), status=status), most))


def _find(job_id: str) -> Job:
    return Job.find(_valid(job_id), owner=_sees())


def _valid(job_id: str) -> str:
    if not _may_be(job_id):
        raise NotFound(f"job {job_id[:64]!r} does not exist", title="Job not found")
    return job_id.upper()


def _may_be(job_id: str) -> bool:
    # The table has other items, too; only a job's id is all letters and digits.
    return job_id.isascii() and job_id.isalnum() and len(job_id) <= _LONGEST_ID


def _sees() -> str | None:
    # Another owner's job is 404: a 403 would reveal that it exists.
    return identity(job_routes.current_request).sees


def _of_schedule(schedule_id: str, at_once: int, before: str | None) -> Iterator[str]:
    """Yield the ids of a schedule's jobs, none if they are another owner's."""
    ids = of_schedule(schedule_id, at_once, before=before)
    if (first := next(ids, None)) is None or not found([first], owner=_sees()):
        return iter(())
    return chain([first], ids)


def _schedule(request: Request) -> str | None:
    schedule_id = query(request).get("schedule_id")
    if schedule_id is None:
        return None
    if "status" in query(request):
        raise InvalidRequest(
            "status and schedule_id cannot be combined",
            field="status",
            suggestion="Leave out one of them",
        )
    if not _may_be(schedule_id):
        raise InvalidRequest("schedule_id must be the id of a schedule", field="schedule_id")
    return schedule_id.upper()


def _stored(status: str | None) -> str | None:
    """Return the status that jobs have in the table: those in the queue are stored as queued."""
    return QUEUED if status == STARTING else status


def _status(request: Request) -> str | None:
    status = query(request).get("status")
    if status is not None and status not in STATUSES:
        raise InvalidRequest(f"status must be one of: {', '.join(STATUSES)}", field="status")
    return status
