"""Images for a post (spec: Generate Images for Post)."""

from time import time

from chalice import Response

from chalicelib import bootstrap, logs
from chalicelib.api.answers import POST_ANSWERS, Asked
from chalicelib.api.deadline import deadline
from chalicelib.api.generate import FAILURES, REFUSALS, answer, order, served
from chalicelib.api.identity import identity
from chalicelib.api.job_resource import post_images
from chalicelib.api.operation import Answer, Operation, links
from chalicelib.api.paging import CURSOR, LIMIT, NEXT, requested, respond
from chalicelib.api.preferences import IDEMPOTENCY_KEY, PREFER, WAIT, followed
from chalicelib.api.routes import Routes
from chalicelib.bootstrap import services
from chalicelib.errors import InvalidRequest
from chalicelib.models.jobs.listing import made_for, shown
from chalicelib.models.keys.api_key import GENERATE
from chalicelib.schemas.answers.images import PostImage
from chalicelib.schemas.generation import PostRequest
from chalicelib.schemas.limits import PostId
from chalicelib.schemas.parsing import convert

post_routes = Routes(__name__, before=bootstrap.seed_catalogs)

_IMAGE_LINKS = links("image_id", "/0/id", "getImage", "getProvenance")


@post_routes.post(
    "/api/v1/posts/{post_id}/generate_images",
    Operation(
        "generatePostImages",
        "Posts",
        POST_ANSWERS,
        GENERATE,
        body=PostRequest,
        parameters=(WAIT, PREFER, IDEMPOTENCY_KEY),
        errors=(*REFUSALS, *FAILURES),
        examples={"three images": {"prompt": "a quiet harbour", "count": 3}},
    ),
)
def generate_images(body: PostRequest, post_id: str) -> Response:
    """Generate images of a post.

    Makes `count` images with different seeds, and records them under the post. If some fail, the
    answer has the others.
    """
    request = post_routes.current_request
    by = deadline(request, now=time())
    jobs = served(order(request, body, by, _valid(post_id)), by)
    logs.about(job_ids=[job.id for job in jobs])
    return answer(Asked(request, jobs, followed(request), is_post=True), by)


@post_routes.get(
    "/api/v1/posts/{post_id}/images",
    Operation(
        "listPostImages",
        "Posts",
        (Answer(200, list[PostImage], "A page of the images.", (NEXT,), _IMAGE_LINKS),),
        parameters=(LIMIT, CURSOR),
        errors=(InvalidRequest,),
    ),
)
def list_post_images(post_id: str) -> Response:
    """List the images of a post, oldest first."""
    request, link = post_routes.current_request, services().images.url
    page = requested(request)
    owner, how = identity(request).sees, {"at_once": page.limit + 1} if page.limit else {}
    found = shown(made_for(_valid(post_id), owner=owner, after=page.after, **how), **how)
    images = (each for jobs in found for job in jobs for each in post_images(job, link))
    return respond(request, images, page, lambda image: image.job_id)


def _valid(post_id: str) -> str:
    return str(convert(post_id, PostId, "post_id"))
