"""A chain of redirects, in which a caller waits longer than one response may take."""

import logging
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from time import time
from typing import Annotated, TypeVar

import msgspec
from chalice import Response
from msgspec import Meta, Struct, structs

from chalicelib.api.answers import Asked, job_links, jobs_of
from chalicelib.api.deadline import Deadline
from chalicelib.api.identity import identity
from chalicelib.api.preferences import PREFERENCE, VISIBLE
from chalicelib.api.routes import Headers, url_of
from chalicelib.config import MOST_HOPS, config
from chalicelib.errors import NotFound
from chalicelib.models.keys.open_chains import OpenChains
from chalicelib.services.jobs.wait_estimate import NoWaits

log = logging.getLogger("darkroom.api")

T = TypeVar("T")

PATH = "/api/images/results"

_Id = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
_JobId = Annotated[str, Meta(pattern=r"^[0-9A-Z]{26}\Z")]


class Chain(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A result address: which jobs are waited for until when, and what their answer looks like.

    Callers could write one themselves. It says nothing that a caller may not choose: whose jobs
    they see, and how many of their requests wait at a time, is checked at each request.
    """

    id: _Id
    hop: Annotated[int, Meta(ge=1, le=MOST_HOPS)]
    until: Annotated[float, Meta(ge=0, le=1e11)]
    is_post: bool
    job_ids: Annotated[list[_JobId], Meta(min_length=1, max_length=8)]
    preference: Annotated[str, Meta(pattern=PREFERENCE)] | None
    key: Annotated[str, Meta(pattern=VISIBLE)] | None

    def __post_init__(self) -> None:
        if len(self.job_ids) > 1 and not self.is_post:
            raise ValueError("only a post has several jobs")
        if len(set(self.job_ids)) < len(self.job_ids):
            raise ValueError("a job is named twice")

    @property
    def headers(self) -> Headers:
        """The headers that each answer repeats."""
        headers: Headers = {}
        if self.preference:
            headers["Preference-Applied"] = self.preference
        if self.key:
            headers["Idempotency-Key"] = self.key
        return headers

    @property
    def is_over(self) -> bool:
        """Whether this was its last hop."""
        return self.hop >= MOST_HOPS or self.until <= time()


def read(result_id: str) -> Chain:
    """Return the chain of a result address; raise NotFound if it is none."""
    try:
        content = urlsafe_b64decode(result_id + "=" * (-len(result_id) % 4))
        return msgspec.json.decode(content, type=Chain)
    except (ValueError, msgspec.MsgspecError):
        raise missing() from None


def missing() -> NotFound:
    return NotFound(
        "this is not a result address, or its jobs do not exist",
        title="Result not found",
        suggestion="Send the request again, with the same Idempotency-Key if it had one",
    )


def begun(asked: Asked, by: Deadline) -> Response | None:
    """Return the first redirect of a chain.

    Return None, and the answer is 202, if the caller does not wait that long or too many chains are
    open.
    """
    if by.chain_until <= time():
        return None
    opened = _counted(lambda chains: chains.open(now=time()), asked)
    if opened is None:
        return None
    chain = Chain(
        opened,
        1,
        by.chain_until,
        asked.is_post,
        [job.id for job in asked.jobs],
        _text(asked.headers.get("Preference-Applied")),
        _text(asked.headers.get("Idempotency-Key")),
    )
    return redirect(chain, asked)


def entered(chain: Chain, asked: Asked, *, until: float) -> Chain | None:
    """Return a chain in which a request may wait until then; None if too many requests wait."""
    found = _counted(lambda chains: chains.wait(chain.id, now=time(), until=until), asked)
    return structs.replace(chain, id=found) if found else None


def continued(chain: Chain, asked: Asked) -> Response:
    """Return the redirect after a request that waited."""
    _counted(lambda chains: chains.leave(chain.id, now=time()), asked)
    return redirect(structs.replace(chain, hop=chain.hop + 1), asked)


def close(chain: Chain, asked: Asked) -> None:
    _counted(lambda chains: chains.close(chain.id), asked)


def redirect(chain: Chain, asked: Asked) -> Response:
    """Return 303 to a chain's address, with the jobs for callers that do not follow it."""
    encoded = urlsafe_b64encode(msgspec.json.encode(chain)).decode().rstrip("=")
    where: Headers = {
        "Location": url_of(asked.request, f"{PATH}/{encoded}"),
        "Cache-Control": "no-store",
    }
    links = job_links(asked) if asked.is_post else {}
    return Response(jobs_of(asked, NoWaits()), {**asked.headers, **where, **links}, 303)


def _counted(count: Callable[[OpenChains], T], asked: Asked) -> T | None:
    """Write which chains are open; return None if that fails: the jobs are accepted anyway."""
    key_id = identity(asked.request).key_id
    try:
        return count(OpenChains.of(key_id, is_small_account=bool(config.small_account)))
    except Exception:
        log.exception("a chain of redirects could not be counted")
        return None


def _text(value: str | list[str] | None) -> str | None:
    return None if value is None else str(value)
