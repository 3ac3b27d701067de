"""`POST /api/images/generate` (spec: Generate Image)."""

from time import time

from chalice import Response
from chalice.app import Request

from chalicelib import bootstrap, logs
from chalicelib.api.answers import ANSWERS, Asked, ended, pending
from chalicelib.api.chain import begun
from chalicelib.api.deadline import Deadline, deadline
from chalicelib.api.identity import identity
from chalicelib.api.operation import Operation
from chalicelib.api.preferences import (
    IDEMPOTENCY_KEY,
    PREFER,
    WAIT,
    fingerprint,
    followed,
    idempotency_key,
)
from chalicelib.api.routes import Routes
from chalicelib.bootstrap import services
from chalicelib.errors import (
    BudgetExhausted,
    ComfyUIUnavailable,
    GenerationFailed,
    IdempotencyConflict,
    JobCanceled,
    JobExpired,
    NotFound,
)
from chalicelib.models.jobs.job import Job
from chalicelib.models.keys.api_key import GENERATE
from chalicelib.schemas.generation import GenerateRequest, PostRequest
from chalicelib.services.jobs.submit import Order
from chalicelib.services.jobs.wait_estimate import NoWaits

generate_routes = Routes(__name__, before=bootstrap.seed_catalogs)


# What may become of a request that waits for its images.
FAILURES = (GenerationFailed, JobCanceled, JobExpired)
# NotFound: the image of an old request that is repeated is no longer kept.
REFUSALS = (IdempotencyConflict, NotFound, BudgetExhausted, ComfyUIUnavailable)


@generate_routes.post(
    "/api/images/generate",
    Operation(
        "generateImage",
        "Images",
        ANSWERS,
        GENERATE,
        body=GenerateRequest,
        parameters=(WAIT, PREFER, IDEMPOTENCY_KEY),
        errors=(*REFUSALS, *FAILURES),
        examples={
            "an image": {"prompt": "a red fox in fresh snow", "width": 768, "height": 512},
            "the same image again": {"prompt": "a lighthouse", "steps": 20, "seed": 42},
        },
    ),
)
def generate(body: GenerateRequest) -> Response:
    """Generate an image.

    Waits for the image for at most 25 seconds, and answers 202 with the job if it takes longer or
    if a GPU has to boot first. Only `prompt` is required; settings, a style and a format give the
    rest.
    """
    request = generate_routes.current_request
    by = deadline(request, now=time())
    jobs = served(order(request, body, by), by)
    logs.about(job_id=jobs[0].id)
    return answer(Asked(request, jobs, followed(request)), by)


def order(
    request: Request, body: GenerateRequest, by: Deadline, post_id: str | None = None
) -> Order:
    """Return an order made of a request's body, its headers and its API key."""
    caller = identity(request)
    return Order(
        request=body,
        wait_until=by.wait_until,
        fingerprint=fingerprint(request, body),
        owner=caller.owner,
        allowance=caller.allowance,
        key=idempotency_key(request),
        count=body.count if isinstance(body, PostRequest) else 1,
        post_id=post_id,
    )


def served(order: Order, by: Deadline) -> list[Job]:
    """Accept an order, drive its jobs while the caller waits, and return them as they are then."""
    jobs, drive = services().inline_driver.accept(order)
    if not by.caller_waits or by.run(drive):
        return jobs
    return [Job.find(job.id) for job in jobs]  # the thread still uses the other objects


def answer(asked: Asked, by: Deadline) -> Response:
    """Return the images, or 202 with their jobs; a caller that waits longer is redirected."""
    if not asked.are_open:
        return ended(asked)
    # Nothing more is read for a caller that does not wait.
    return begun(asked, by) or pending(asked, services().waits() if by.caller_waits else NoWaits())
