"""By when a caller has to have an answer, however long the work behind it takes."""

import logging
import threading
from collections.abc import Callable
from contextvars import copy_context
from time import time
from typing import Any, NamedTuple

from chalice.app import Request

from chalicelib.api.preferences import wait_seconds

log = logging.getLogger("darkroom.api")

# API Gateway gives up on a request after this time, whatever the function does.
_GATEWAY_SECONDS = 29.0
# What is left of that when the wait ends: to store an image that has just been made, and to answer.
_STORE_SECONDS = 4.0
_ANSWER_SECONDS = 1.0


class Deadline(NamedTuple):
    """Times in seconds since the epoch: when the wait ends, and when the answer has to be given.

    A caller that does not wait has a `wait_until` of 0.
    """

    wait_until: float
    answer_at: float

    @property
    def caller_waits(self) -> bool:
        return self.wait_until > 0

    def run(self, work: Callable[[], None]) -> bool:
        """Do work until the answer has to be given, and tell whether it has ended by then.

        What has not ended goes on for as long as the function lives.
        """

        def guarded() -> None:
            try:
                work()
            except Exception:
                log.exception("the work behind an answer failed")

        worker = threading.Thread(target=copy_context().run, args=(guarded,), daemon=True)
        worker.start()
        worker.join(max(self.answer_at - time(), 0))
        return not worker.is_alive()


def deadline(request: Request, *, now: float) -> Deadline:
    """Return the deadline of a request: its wait counts from when API Gateway received it."""
    received_at = min(int(request.context.get("requestTimeEpoch") or now * 1000) / 1000, now)
    context: Any = request.lambda_context
    remaining_seconds = context.get_remaining_time_in_millis() / 1000
    ends_at = min(received_at + _GATEWAY_SECONDS, now + remaining_seconds)
    asked = wait_seconds(request)
    wait_until = min(received_at + asked, ends_at - _STORE_SECONDS) if asked else 0
    return Deadline(wait_until, ends_at - _ANSWER_SECONDS)
