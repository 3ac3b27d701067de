"""The callers of a fault run, which send, wait, hang up, repeat and cancel, all at once."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import Any

import requests

from local.chaos.orders import CANCELED, HANGS_UP, LATER, TWICE, Answer, Order
from local.stack.api import Api

_TIMEOUT_SECONDS = 45  # longer than API Gateway's own timeout
_RETRY_SECONDS = 2
_LOOK_SECONDS = 0.2


class Callers:
    """All callers, and the answers to their requests."""

    def __init__(self, apis: list[Api], orders: list[list[Order]], *, until: float) -> None:
        self._apis = apis
        self._until = until
        self._lock = threading.Lock()
        self._answers: list[Answer] = []
        self._cancels: list[Answer] = []
        self._threads = [_daemon(self._call, each) for each in orders]

    def start(self) -> None:
        """Start all callers."""
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait until all callers have ended."""
        for thread in self._threads:
            thread.join()

    @property
    def answers(self) -> list[Answer]:
        """The answers to requests for images so far."""
        with self._lock:
            return list(self._answers)

    @property
    def cancels(self) -> list[Answer]:
        """The answers to requests to cancel so far."""
        with self._lock:
            return list(self._cancels)

    def _call(self, orders: list[Order]) -> None:
        for order in orders:
            time.sleep(order.pause_seconds)
            if order.kind == TWICE:
                self._order_twice(order)
                continue
            if order.kind == HANGS_UP:
                self._send(order, order.seconds)
            answer = self._order(order)
            if order.kind == CANCELED and answer.job_id:
                self._await_run(order, answer.job_id)
                self._cancel(order, answer.job_id)
        for order in orders:
            if order.kind == LATER:
                self._order(order)

    def _order_twice(self, order: Order) -> None:
        both = [_daemon(self._order, order) for _ in range(2)]
        for each in both:
            each.start()
        for each in both:
            each.join()

    def _order(self, order: Order) -> Answer:
        """Send an order until it is answered."""
        for repetition in count():
            again = repetition and not order.key
            sent = replace(order, name=f"{order.name} again {repetition}") if again else order
            answer = self._send(sent, _TIMEOUT_SECONDS)
            if answer.is_known or time.monotonic() > self._until:
                return answer
            time.sleep(_RETRY_SECONDS)
        raise AssertionError("counting never ends")

    def _send(self, order: Order, seconds: float) -> Answer:
        path, options = "generate", {"json": order.body, "headers": order.headers}
        return self._post(order, path, seconds, self._answers, **options)

    def _await_run(self, order: Order, job_id: str) -> None:
        """Wait until the job runs, for the seconds of the order at most."""
        api, until = self._apis[order.caller], time.monotonic() + order.seconds
        while time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)
            with suppress(requests.RequestException, ValueError, LookupError):
                job = api.call("GET", f"/api/images/jobs/{job_id}").json()
                if job["status"] not in ("queued", "starting"):
                    return

    def _cancel(self, order: Order, job_id: str) -> None:
        path = f"jobs/{job_id}/cancel"
        while True:
            answer = self._post(order, path, _TIMEOUT_SECONDS, self._cancels)
            if answer.is_known or time.monotonic() > self._until:
                return
            time.sleep(_RETRY_SECONDS)

    def _post(
        self, order: Order, path: str, seconds: float, book: list[Answer], **options: object
    ) -> Answer:
        api = self._apis[order.caller]
        try:
            response = api.call("POST", f"/api/images/{path}", timeout=seconds, **options)
            answer = _read(order.name, response)
        except requests.RequestException:
            answer = Answer(order.name, 0)
        with self._lock:
            book.append(answer)
        return answer


def _daemon(act: Callable[[Any], object], argument: object) -> threading.Thread:
    # An interrupted fault run does not wait for answers.
    return threading.Thread(target=act, args=(argument,), daemon=True)


def _read(name: str, answer: requests.Response) -> Answer:
    job_id = answer.headers.get("Location", "").rpartition("/")[2] or None
    code = None
    if not answer.ok:
        try:
            code = answer.json()["details"].get("code")
        except (ValueError, LookupError, AttributeError):
            code = None  # an error of API Gateway itself
    return Answer(name, answer.status_code, job_id, code)
