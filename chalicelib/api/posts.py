"""Images for a post (spec: Generate Images for Post)."""

import re
from time import time

from chalice import Response

from chalicelib import logs, wiring
from chalicelib.api.deadline import deadline
from chalicelib.api.generate import LOOK_SECONDS, job_url, order, served
from chalicelib.api.identity import identity
from chalicelib.api.job_resource import (
    check_kept,
    failure,
    image_urls,
    job_resources,
    post_images,
)
from chalicelib.api.paging import requested, respond
from chalicelib.api.preferences import followed
from chalicelib.api.routes import Routes
from chalicelib.errors import InvalidRequest
from chalicelib.models.api_key import GENERATE
from chalicelib.models.job_listing import of_post
from chalicelib.models.job_status import SUCCEEDED
from chalicelib.schemas.generation import PostRequest

post_routes = Routes(__name__, before=wiring.seed_catalogs)

_POST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:~-]{0,127}")


@post_routes.post("/api/v1/posts/{post_id}/generate_images", body=PostRequest, scope=GENERATE)
def generate_images(body: PostRequest, post_id: str) -> Response:
    """Generate `count` images with different seeds and record them under the post."""
    request, link = post_routes.current_request, wiring.images().url
    by = deadline(request, now=time())
    jobs = served(order(request, body, by, _valid(post_id)), by)
    logs.about(job_ids=[job.id for job in jobs])
    headers = followed(request)
    if any(job.is_open for job in jobs):
        headers.update({"Location": job_url(request, jobs[0]), "Retry-After": LOOK_SECONDS})
        resources = job_resources(jobs, link, with_waits=by.caller_waits)
        return Response({"jobs": resources}, headers, 202)
    failed = [job for job in jobs if job.status != SUCCEEDED]
    if len(failed) == len(jobs):
        raise failure(failed[0])
    check_kept(jobs)
    made = {"image_urls": [url for job in jobs for url in image_urls(job, link)]}
    missing = {"errors": [{"job_id": job.id, **job.error} for job in failed]}
    return Response(made | missing if failed else made, headers)


@post_routes.get("/api/v1/posts/{post_id}/images")
def list_post_images(post_id: str) -> Response:
    """List the images of a post, oldest first."""
    request, link = post_routes.current_request, wiring.images().url
    page = requested(request)
    jobs = of_post(_valid(post_id), owner=identity(request).sees, after=page.after)
    images = (image for job in jobs for image in post_images(job, link))
    return respond(request, images, page, lambda image: image["job_id"])


def _valid(post_id: str) -> str:
    if not _POST_ID.fullmatch(post_id):
        raise InvalidRequest(
            "post_id must be 1 to 128 letters, digits and _.:~-, a letter or digit first",
            field="post_id",
        )
    return post_id
