"""An S3 that keeps what reaches it whole, through a socket as the real one does."""

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
    """Make a store at an address, or else at moto's S3."""
    s3: Any = boto3.client("s3", endpoint_url=url, config=Config(signature_version="s3v4"))
    http = requests.Session()
    http.trust_env = False
    return ImageStore(s3, http, "images", base_url=base_url, url_seconds=url_seconds)


@contextmanager
def broken_store(answer: Answer) -> Iterator[ImageStore]:
    """A store whose S3 answers as it is told."""
    with serving(Script(answers={"images": answer})) as url:
        yield store(url)


@contextmanager
def bucket() -> Iterator[tuple[ImageStore, dict[str, bytes]]]:
    """A store, and what its S3 has kept."""
    kept: dict[str, bytes] = {}

    async def keep(request: web.Request) -> web.Response:
        kept[request.path] = await request.read()
        return web.Response()

    with broken_store(keep) as images:
        yield images, kept
