"""Many requests in one: `POST /api/images/jobs/batch`."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from time import time

from chalice import Response
from chalice.app import Request
from msgspec import Raw, structs

from chalicelib import bootstrap, logs
from chalicelib.api.deadline import Deadline, deadline
from chalicelib.api.errors import answer, internal
from chalicelib.api.generate import order
from chalicelib.api.job_resource import job_resource
from chalicelib.api.operation import Answer, Operation, links
from chalicelib.api.paging import RESPONSE_LIMIT_BYTES, size_of
from chalicelib.api.preferences import APPLIED, IDEMPOTENCY_KEY, PREFER, followed
from chalicelib.api.routes import Routes
from chalicelib.bootstrap import services
from chalicelib.errors import BudgetExhausted, DarkroomError, Overloaded
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.priority import BATCH
from chalicelib.models.keys.api_key import GENERATE
from chalicelib.schemas.answers.batch import BatchResult, BatchResults
from chalicelib.schemas.generation import BatchRequest, GenerateRequest
from chalicelib.schemas.parsing import parse
from chalicelib.services.jobs.submit import Defaults
from chalicelib.services.jobs.wait_estimate import NoWaits

log = logging.getLogger("darkroom.api")

batch_routes = Routes(__name__, before=bootstrap.seed_catalogs)

_BODY_BYTES = 1024 * 1024
_AT_ONCE = 8
# DynamoDB may take this long to accept one request; with less time left, none is begun.
_ACCEPT_SECONDS = 8.0

_RESULTS = "A result for each request, in the same order."
_JOB_LINKS = links("job_id", "/results/0/job/id", "getJob", "cancelJob")


@batch_routes.post(
    "/api/images/jobs/batch",
    Operation(
        "acceptBatch",
        "Jobs",
        (Answer(200, BatchResults, _RESULTS, APPLIED, _JOB_LINKS),),
        GENERATE,
        body=BatchRequest,
        body_bytes=_BODY_BYTES,
        parameters=(PREFER, IDEMPOTENCY_KEY),
        examples={
            "two images": {"requests": [{"prompt": "a red fox"}, {"prompt": "a barn owl"}]},
        },
    ),
)
def accept_batch(body: BatchRequest) -> Response:
    """Accept many requests at once.

    Takes up to 100 bodies of `generate`, accepts each on its own, and waits for no image. One
    `Idempotency-Key` covers the whole batch.
    """
    request = batch_routes.current_request
    batch = Batch(request, deadline(request, now=time(), asked=0))
    results = _fitted(batch.accept(body.requests))
    logs.about(job_ids=[each.job.id for each in results if each.job])
    return Response(BatchResults(results=results), followed(request, waits=False))


class Batch:
    def __init__(self, request: Request, by: Deadline) -> None:
        self._request = request
        self._begin_until = by.answer_at - _ACCEPT_SECONDS
        self._by = Deadline(0, by.answer_at)
        self._link = services().images.url

    def accept(self, bodies: list[Raw]) -> list[BatchResult]:
        """Accept several requests at a time; return the results in the order of the requests."""
        defaults = _defaults()
        tasks: list[Callable[[], BatchResult]] = [
            partial(copy_context().run, self._result, body, index, defaults)
            for index, body in enumerate(bodies)
        ]
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            return list(pool.map(lambda task: task(), tasks))

    def _result(self, body: Raw, index: int, defaults: Defaults | None) -> BatchResult:
        try:
            job = self._accept(body, index, defaults)
            return BatchResult(status=202, job=job_resource(job, self._link, NoWaits()))
        except DarkroomError as error:
            return _refused(error)
        except Exception:
            log.exception("unexpected error in a batch")
            return _refused(internal())

    def _accept(self, body: Raw, index: int, defaults: Defaults | None) -> Job:
        if time() > self._begin_until:
            raise Overloaded("there was no time left for this request; nothing was stored")
        one = order(self._request, parse(bytes(body), GenerateRequest), self._by)
        # A header has no line break, so this key cannot be that of another request.
        key = f"{one.key}\n{index}" if one.key else None
        [job] = services().submission.accept(
            structs.replace(one, key=key, defaults=defaults, priority=BATCH)
        )
        return job


def _defaults() -> Defaults | None:
    """Read the defaults of all requests; None if the budget is used up: each then reports that."""
    try:
        return services().submission.defaults()
    except BudgetExhausted:
        return None


def _refused(error: DarkroomError) -> BatchResult:
    answered = answer(error)
    result = BatchResult(status=answered.status_code, error=answered.body)
    if wait := answered.headers.get("Retry-After"):
        result.retry_after_seconds = int(str(wait))
    return result


def _fitted(results: list[BatchResult]) -> list[BatchResult]:
    """Leave out the metadata of the last jobs if the response would be too large with it."""
    size = 0
    for result in results:
        size += size_of(result)
        if size > RESPONSE_LIMIT_BYTES and result.job:
            result.job.metadata = None
    return results
