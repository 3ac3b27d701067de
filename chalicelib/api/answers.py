"""What `generate` and `generate_images` answer: the images, or the jobs that make them."""

from chalice import Response
from chalice.app import Request
from msgspec import Struct

from chalicelib.api.job_resource import (
    check_kept,
    failure,
    image_urls,
    job_resources,
    kept_images,
    metadata,
)
from chalicelib.api.routes import Headers, url_of
from chalicelib.bootstrap import services
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.status import SUCCEEDED
from chalicelib.services.jobs.wait_estimate import NoWaits, Waits

LOOK_SECONDS = "2"


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


def jobs_of(asked: Asked, waits: Waits | NoWaits) -> dict[str, object]:
    """Return the jobs as the body of an answer."""
    resources = job_resources(asked.jobs, services().images.url, waits)
    return {"jobs": resources} if asked.is_post else resources[0]


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
    done = {"status": "success", "image_url": image_url, "metadata": metadata(job)}
    return Response(done, headers)


def _images(asked: Asked) -> Response:
    jobs, link = asked.jobs, services().images.url
    failed = [job for job in jobs if job.status != SUCCEEDED]
    if len(failed) == len(jobs):
        raise failure(failed[0])
    check_kept(jobs)
    made = {"image_urls": [url for job in jobs for url in image_urls(job, link)]}
    missing = {"errors": [{"job_id": job.id, **job.error} for job in failed]}
    return Response(made | missing if failed else made, {**asked.headers, **job_links(asked)})


def job_links(asked: Asked) -> Headers:
    urls = [_job_url(asked.request, job) for job in asked.jobs]
    return {"Link": ", ".join(f'<{url}>; rel="item"' for url in urls)}


def _job_url(request: Request, job: Job) -> str:
    return url_of(request, f"/api/images/jobs/{job.id}")
