"""Adds latencies like AWS's to what a caller waits for, once for each HTTP request."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import botocore
import requests
from requests.adapters import HTTPAdapter

from bench.latencies import Latencies


class Delays:
    """Delays the requests of clients that are made from now on, while it is switched on."""

    def __init__(
        self, latencies: Latencies, *, pause: Callable[[float], object] = time.sleep
    ) -> None:
        self._latencies = latencies
        self._pause = pause
        self._is_on = False
        botocore.register_initializer(self._listen)

    def end(self) -> None:
        botocore.unregister_initializer(self._listen)

    @contextmanager
    def on(self) -> Iterator[None]:
        """Delay the requests within the block, in all threads."""
        self._is_on = True
        try:
            yield
        finally:
            self._is_on = False

    def mount(self, http: requests.Session, bucket_url: str) -> None:
        """Also delay requests to S3 that botocore does not send: those of signed links."""
        http.mount(bucket_url, _Adapter(self))

    def wait(self, service: str, operation: str) -> None:
        if self._is_on:
            self._pause(self._latencies.of(service, operation) / 1000)

    def _listen(self, session: Any) -> None:
        # botocore emits it for each attempt, just before it sends the request.
        session.register("before-send", self._before_send)

    def _before_send(self, event_name: str, **_: Any) -> None:
        _, service, operation = event_name.split(".")
        self.wait(service, operation)


class _Adapter(HTTPAdapter):
    """Sends requests of signed links to S3 with a delay."""

    def __init__(self, delays: Delays) -> None:
        super().__init__()
        self._delays = delays

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> Any:
        self._delays.wait("s3", "PutObject" if request.method == "PUT" else "GetObject")
        return super().send(request, *args, **options)
