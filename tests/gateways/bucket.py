"""Image stores, and an S3 behind a real socket, which keeps only uploads that arrive whole."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import requests
from aiohttp import web
from botocore.config import Config

from chalicelib.gateways.s3 import ImageStore
from chalicelib.gateways.signed_links import SignedLinks
from tests.gateways.faulty import Answer, Script, serving


def store(
    url: str | None = None,
    *,
    base_url: str = "",
    url_seconds: int = 3600,
    clock: Callable[[], float] = time.time,
) -> ImageStore:
    """Return a store at `url`, or else at moto's S3."""
    session = boto3.Session()
    s3: Any = session.client("s3", endpoint_url=url, config=Config(signature_version="s3v4"))
    http = requests.Session()
    http.trust_env = False
    credentials = session.get_credentials()
    links = SignedLinks(s3, credentials, "images", seconds=url_seconds, clock=clock)
    return ImageStore(s3, http, "images", links=links, base_url=base_url)


@contextmanager
def broken_store(answer: Answer) -> Iterator[ImageStore]:
    """A store whose S3 answers each request with `answer`."""
    with serving(Script(answers={"images": answer})) as url:
        yield store(url)


@contextmanager
def bucket() -> Iterator[tuple[ImageStore, dict[str, bytes]]]:
    """A store, and the uploads that its S3 has kept, by path."""
    kept: dict[str, bytes] = {}

    async def keep(request: web.Request) -> web.Response:
        kept[request.path] = await request.read()
        return web.Response()

    with broken_store(keep) as images:
        yield images, kept
