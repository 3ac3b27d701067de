"""When a caller's wait ends and its response is due, however long the work takes."""

import logging
import threading
from collections.abc import Callable
from contextvars import copy_context
from time import time
from typing import Any, NamedTuple

from chalice.app import Request

from chalicelib.api.preferences import wait_seconds
from chalicelib.config import config

log = logging.getLogger("darkroom.api")

# API Gateway times out a request after this time.
_GATEWAY_SECONDS = 29.0
# The wait ends this long before API Gateway's timeout: time to store an image that was just made.
_STORE_SECONDS = 4.0
# The response is due this long before API Gateway's timeout.
_ANSWER_SECONDS = 1.0


class Deadline(NamedTuple):
    """When a caller's wait ends and when its response is due, in seconds since the epoch.

    `wait_until` is 0 for a caller that does not wait. A caller that waits longer than one response
    may take is redirected until `chain_until`; that is 0 for all others.
    """

    wait_until: float
    answer_at: float
    chain_until: float = 0

    @property
    def caller_waits(self) -> bool:
        return self.wait_until > 0

    def run(self, work: Callable[[], None]) -> bool:
        """Run `work` in a thread until the response is due; return whether it has ended.

        Work that has not ended goes on for as long as the function's process lives.
        """

        def guarded() -> None:
            try:
                work()
            except Exception:
                log.exception("driving the jobs of a request failed")

        worker = threading.Thread(target=copy_context().run, args=(guarded,), daemon=True)
        worker.start()
        worker.join(max(self.answer_at - time(), 0))
        return not worker.is_alive()


def deadline(request: Request, *, now: float, asked: int | None = None) -> Deadline:
    """Return the deadline of a request; its wait counts from when API Gateway received it.

    `asked` is how many seconds it waits, by default what its caller prefers.
    """
    received_at = min(int(request.context.get("requestTimeEpoch") or now * 1000) / 1000, now)
    context: Any = request.lambda_context
    remaining_seconds = context.get_remaining_time_in_millis() / 1000
    ends_at = min(received_at + _GATEWAY_SECONDS, now + remaining_seconds)
    seconds = wait_seconds(request) if asked is None else asked
    own = min(seconds, config.wait_seconds)
    wait_until = min(received_at + own, ends_at - _STORE_SECONDS) if own else 0
    chain_until = received_at + seconds if seconds > own else 0
    return Deadline(wait_until, ends_at - _ANSWER_SECONDS, chain_until)
