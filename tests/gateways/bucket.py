"""An S3 behind a real socket, which keeps only uploads that arrive whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import requests
from aiohttp import web
from botocore.config import Config

from chalicelib.gateways.s3 import ImageStore
from tests.gateways.faulty import Answer, Script, serving


def store(url: str | None = None, *, base_url: str = "", url_seconds: int = 3600) -> ImageStore:
    """Return a store at `url`, or else at moto's S3."""
    s3: Any = boto3.client("s3", endpoint_url=url, config=Config(signature_version="s3v4"))
    http = requests.Session()
    http.trust_env = False
    return ImageStore(s3, http, "images", base_url=base_url, url_seconds=url_seconds)


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
