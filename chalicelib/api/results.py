"""The result address of a request that waits long: it answers as the request would have."""

from time import time

from chalice import Response
from chalice.app import Request
from msgspec import structs

from chalicelib import logs
from chalicelib.api.answers import RESULT_ANSWERS, Asked, ended, pending
from chalicelib.api.chain import PATH, Chain, close, continued, entered, missing, read
from chalicelib.api.deadline import Deadline, deadline
from chalicelib.api.generate import FAILURES
from chalicelib.api.identity import identity
from chalicelib.api.operation import Operation
from chalicelib.api.routes import Routes
from chalicelib.bootstrap import services
from chalicelib.config import config
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.listing import found
from chalicelib.models.keys.api_key import GENERATE

result_routes = Routes(__name__)

_RESULT = f"{PATH}/{{result_id}}"


def _operation(name: str) -> Operation:
    return Operation(name, "Images", RESULT_ANSWERS, GENERATE, errors=FAILURES)


# POST, too, for clients that repeat the method when they are redirected: `curl -X POST -L`.
@result_routes.post(_RESULT, _operation("postResult"))
@result_routes.get(_RESULT, _operation("getResult"))
def get_result(result_id: str) -> Response:
    """Wait for the result of a request.

    A request that waits longer than one answer may take leads here. Waits on, and answers what that
    request would have answered, or redirects again.
    """
    request, chain = result_routes.current_request, read(result_id)
    logs.about(job_ids=chain.job_ids)
    jobs = _jobs(request, chain)
    asked = Asked(request, jobs, chain.headers, chain.is_post)
    if not asked.are_open:
        close(chain, asked)
        return ended(asked)
    by = deadline(request, now=time(), asked=config.wait_seconds)
    until = min(by.wait_until, chain.until)
    found = entered(chain, asked, until=until)
    if found is None:
        return pending(asked, services().waits())
    return _answer(found, structs.replace(asked, jobs=_awaited(jobs, until, by)))


def _answer(chain: Chain, asked: Asked) -> Response:
    if asked.are_open and not chain.is_over:
        return continued(chain, asked)
    close(chain, asked)
    return pending(asked, services().waits()) if asked.are_open else ended(asked)


def _awaited(jobs: list[Job], until: float, by: Deadline) -> list[Job]:
    """Wait for jobs; return them as they were before if DynamoDB does not answer in time."""
    awaited: list[list[Job]] = []
    by.run(lambda: awaited.append(services().awaiting.wait(jobs, until=until)))
    return awaited[0] if awaited else jobs


def _jobs(request: Request, chain: Chain) -> list[Job]:
    jobs = found(chain.job_ids, owner=identity(request).sees)
    if len(jobs) < len(chain.job_ids):
        raise missing()
    return jobs
