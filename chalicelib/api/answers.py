"""What `generate` and `generate_images` answer: the images, or the jobs that make them."""

from chalice import Response
from chalice.app import Request
from msgspec import Struct

from chalicelib.api.job_resource import (
    check_kept,
    error_fields,
    failure,
    image_urls,
    job_resources,
    kept_images,
    metadata,
)
from chalicelib.api.operation import Answer, Header, links
from chalicelib.api.preferences import APPLIED
from chalicelib.api.routes import Headers, url_of
from chalicelib.bootstrap import services
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.status import SUCCEEDED
from chalicelib.schemas.answers.images import Image, Images, MissingImage
from chalicelib.schemas.answers.jobs import Job as JobResource
from chalicelib.schemas.answers.jobs import PostJobs
from chalicelib.services.jobs.wait_estimate import NoWaits, Waits

LOOK_SECONDS = "2"

LOCATION = Header("Location", "The URL of the job.")
RETRY_AFTER = Header("Retry-After", "When to read it, in seconds.", int)
_ITEMS = Header("Link", 'The URL of each image\'s job, with `rel="item"`.')
_SOME_LINK = Header("Link", "As in the answer of the request that waits.")
_CANONICAL = Header("Link", 'With `rel="canonical"`: the address of the image that never changes.')
_RESULT = Header("Location", "The URL that waits on: a result address.")
_UNCACHED = Header("Cache-Control", "`no-store`.")

_JOB_LINKS = links("job_id", "/id", "getJob", "cancelJob")
_FIRST_JOB_LINKS = links("job_id", "/jobs/0/id", "getJob", "cancelJob")
_AWAITED = "The wait is over before the image is ready: read the job until it has ended."
_WAITS_ON = "The wait goes on at another URL, which answers as this one would have."

# What `generate` and its result address answer.
ANSWERS = (
    Answer(200, Image, "The image.", (LOCATION, _CANONICAL, *APPLIED)),
    Answer(202, JobResource, _AWAITED, (LOCATION, RETRY_AFTER, *APPLIED), _JOB_LINKS),
    Answer(303, JobResource, _WAITS_ON, (_RESULT, _UNCACHED, *APPLIED)),
)
POST_ANSWERS = (
    Answer(200, Images, "The images. If some failed, `errors` says which.", (_ITEMS, *APPLIED)),
    Answer(202, PostJobs, _AWAITED, (LOCATION, RETRY_AFTER, _ITEMS, *APPLIED), _FIRST_JOB_LINKS),
    Answer(303, PostJobs, _WAITS_ON, (_RESULT, _UNCACHED, _ITEMS, *APPLIED)),
)
RESULT_ANSWERS = (
    Answer(200, (Image, Images), "The image, or the images of a post.", (_SOME_LINK, *APPLIED)),
    Answer(202, (JobResource, PostJobs), _AWAITED, (LOCATION, RETRY_AFTER, *APPLIED)),
    Answer(303, (JobResource, PostJobs), _WAITS_ON, (_RESULT, _UNCACHED, *APPLIED)),
)


class Asked(Struct, frozen=True):
    """The jobs of a request, and the headers that each of its answers has.

    `is_post` is whether they are a post's: its answers list what `generate` has one of.
    """

    request: Request
    jobs: list[Job]
    headers: Headers
    is_post: bool = False

    @property
    def are_open(self) -> bool:
        return any(job.is_open for job in self.jobs)


def ended(asked: Asked) -> Response:
    """Return the images of jobs that have ended; raise the error of a failed job."""
    return _images(asked) if asked.is_post else _image(asked)


def pending(asked: Asked, waits: Waits | NoWaits) -> Response:
    """Return 202 with jobs that have not ended."""
    headers = {**_accepted_headers(asked), "Retry-After": LOOK_SECONDS}
    return Response(jobs_of(asked, waits), headers, 202)


def jobs_of(asked: Asked, waits: Waits | NoWaits) -> JobResource | PostJobs:
    """Return the jobs as the body of an answer."""
    resources = job_resources(asked.jobs, services().images.url, waits)
    return PostJobs(jobs=resources) if asked.is_post else resources[0]


def _accepted_headers(asked: Asked) -> Headers:
    where: Headers = {"Location": _job_url(asked.request, asked.jobs[0])}
    return {**asked.headers, **where, **(job_links(asked) if asked.is_post else {})}


def _image(asked: Asked) -> Response:
    [job] = asked.jobs
    if job.status != SUCCEEDED:
        raise failure(job)
    check_kept([job])
    [image] = kept_images(job)
    lasting = url_of(asked.request, f"/api/images/files/{image['id']}")
    headers = {**_accepted_headers(asked), "Link": f'<{lasting}>; rel="canonical"'}
    [image_url] = image_urls(job, services().images.url)
    return Response(Image(image_url=image_url, metadata=metadata(job)), headers)


def _images(asked: Asked) -> Response:
    jobs, link = asked.jobs, services().images.url
    failed = [job for job in jobs if job.status != SUCCEEDED]
    if len(failed) == len(jobs):
        raise failure(failed[0])
    check_kept(jobs)
    made = Images(image_urls=[url for job in jobs for url in image_urls(job, link)])
    if failed:
        made.errors = [MissingImage(job_id=job.id, **error_fields(job)) for job in failed]
    return Response(made, {**asked.headers, **job_links(asked)})


def job_links(asked: Asked) -> Headers:
    urls = [_job_url(asked.request, job) for job in asked.jobs]
    return {"Link": ", ".join(f'<{url}>; rel="item"' for url in urls)}


def _job_url(request: Request, job: Job) -> str:
    return url_of(request, f"/api/images/jobs/{job.id}")
