"""The result address of a request that waits long: it answers as the request would have."""

from time import time

from chalice import Response
from chalice.app import Request
from msgspec import structs

from chalicelib import logs
from chalicelib.api.answers import Asked, ended, pending
from chalicelib.api.chain import PATH, Chain, hold, missing, read, redirect, release
from chalicelib.api.deadline import deadline
from chalicelib.api.identity import identity
from chalicelib.api.routes import Routes
from chalicelib.bootstrap import services
from chalicelib.config import config
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.listing import found
from chalicelib.models.keys.api_key import GENERATE
from chalicelib.services.jobs.wait_estimate import NoWaits

result_routes = Routes(__name__)

_RESULT = f"{PATH}/{{result_id}}"


# POST, too, for clients that repeat the method when they are redirected: `curl -X POST -L`.
@result_routes.post(_RESULT, scope=GENERATE)
@result_routes.get(_RESULT, scope=GENERATE)
def get_result(result_id: str) -> Response:
    """Wait for jobs; return what the request for them would have, or a redirect to wait on."""
    request, chain = result_routes.current_request, read(result_id)
    logs.about(job_ids=chain.job_ids)
    jobs = _jobs(request, chain)
    asked = Asked(request, jobs, chain.headers, chain.is_post)
    if not asked.are_open:
        release(chain, asked)
        return ended(asked)
    until = min(deadline(request, now=time(), asked=config.wait_seconds).wait_until, chain.until)
    held = hold(chain, asked, until=until)
    if held is None:
        return pending(asked, NoWaits())
    return _answer(held, structs.replace(asked, jobs=services().awaiting.wait(jobs, until=until)))


def _answer(chain: Chain, asked: Asked) -> Response:
    if asked.are_open and not chain.is_over:
        return redirect(structs.replace(chain, hop=chain.hop + 1), asked)
    release(chain, asked)
    return pending(asked, NoWaits()) if asked.are_open else ended(asked)


def _jobs(request: Request, chain: Chain) -> list[Job]:
    jobs = found(chain.job_ids, owner=identity(request).sees)
    if len(jobs) < len(chain.job_ids):
        raise missing()
    return jobs
