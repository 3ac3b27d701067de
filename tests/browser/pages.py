"""Pages of another origin than the API and the bucket, in a browser."""

import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from playwright.sync_api import Page

from local.stack.processes import LOOPBACK

# `fetch` rejects with one and the same message, whatever the browser objects to.
_FETCH = """async ([url, init]) => {
  try {
    const answer = await fetch(url, init);
    const bytes = new Uint8Array(await answer.arrayBuffer());
    const content = btoa(Array.from(bytes, each => String.fromCharCode(each)).join(""));
    const {status, redirected, url: at} = answer;
    return {status, redirected, url: at, headers: Object.fromEntries(answer.headers), content};
  } catch (error) {
    return {error: String(error)};
  }
}"""


class Refused(Exception):
    """The browser does not let the page read the answer."""


class Fetched(NamedTuple):
    """An answer as a page sees it: `headers` are those that it may read, in lower case."""

    status: int
    redirected: bool
    url: str
    headers: dict[str, str]
    content: bytes


def fetch(page: Page, url: str, **init: Any) -> Fetched:
    """Have the page fetch a URL, with options of `fetch`; raise Refused if it may not."""
    answer = page.evaluate(_FETCH, [url, init])
    if "error" in answer:
        raise Refused(answer["error"])
    return Fetched(**{**answer, "content": b64decode(answer["content"])})


class _Blank(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>A page</title>")

    def log_message(self, *given: Any) -> None:
        """Print nothing."""


@contextmanager
def site() -> Iterator[str]:
    """Serve an empty page at every path of a port of its own; yield its origin."""
    server = ThreadingHTTPServer((LOOPBACK, 0), _Blank)
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.05))
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
