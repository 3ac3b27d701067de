"""A chain of redirects, in which a caller waits longer than one response may take."""

import logging
from base64 import urlsafe_b64decode, urlsafe_b64encode
from time import time
from typing import Annotated
from uuid import uuid4

import msgspec
from chalice import Response
from msgspec import Meta, Struct, structs

from chalicelib.api.answers import Asked, jobs_of
from chalicelib.api.deadline import Deadline
from chalicelib.api.identity import identity
from chalicelib.api.preferences import PREFERENCE, VISIBLE
from chalicelib.api.routes import Headers, url_of
from chalicelib.config import MOST_HOPS, config
from chalicelib.errors import NotFound
from chalicelib.models.keys.open_chains import OpenChains
from chalicelib.services.jobs.wait_estimate import NoWaits

log = logging.getLogger("darkroom.api")

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
        "nothing is awaited at this address",
        title="Result not found",
        suggestion="Send the request again, with the same Idempotency-Key if it had one",
    )


def begun(asked: Asked, by: Deadline) -> Response | None:
    """Return the first redirect of a chain; None if the caller does not wait that long.

    Or if too many chains are open: the jobs are accepted, and are answered with 202.
    """
    if by.chain_until <= time():
        return None
    chain = Chain(
        uuid4().hex,
        1,
        by.chain_until,
        asked.is_post,
        [job.id for job in asked.jobs],
        _text(asked.headers.get("Preference-Applied")),
        _text(asked.headers.get("Idempotency-Key")),
    )
    held = hold(chain, asked, until=time())
    return redirect(held, asked) if held else None


def hold(chain: Chain, asked: Asked, *, until: float) -> Chain | None:
    """Return a chain that counts as open while a request waits until then; None if too many do."""
    try:
        held = _open_chains(asked).hold(chain.id, now=time(), until=until)
    except Exception:  # the jobs are accepted, whatever happens here
        log.exception("a chain of redirects could not be counted")
        return None
    return structs.replace(chain, id=held) if held else None


def release(chain: Chain, asked: Asked) -> None:
    try:
        _open_chains(asked).release(chain.id)
    except Exception:  # it counts for some seconds more
        log.exception("a chain of redirects could not be closed")


def redirect(chain: Chain, asked: Asked) -> Response:
    """Return 303 to a chain's address, with the jobs for callers that do not follow it."""
    encoded = urlsafe_b64encode(msgspec.json.encode(chain)).decode().rstrip("=")
    where: Headers = {
        "Location": url_of(asked.request, f"{PATH}/{encoded}"),
        "Cache-Control": "no-store",
    }
    return Response(jobs_of(asked, NoWaits()), {**asked.headers, **where}, 303)


def _open_chains(asked: Asked) -> OpenChains:
    key_id = identity(asked.request).key_id
    return OpenChains.of(key_id, is_small_account=bool(config.small_account))


def _text(value: str | list[str] | None) -> str | None:
    return None if value is None else str(value)
