"""The API as callers reach it: behind API Gateway, under a stage."""

from collections.abc import Iterator
from typing import cast

import pytest
from chalice import Chalice
from chalice.test import Client, TestHTTPClient

import app
from tests.api.gateway import Gateway
from tests.api.keyed import keyed
from tests.api.working import workers


@pytest.fixture
def gateway() -> Gateway:
    return Gateway(app.app)


@pytest.fixture
def http(aws: None, gateway: Gateway) -> Iterator[TestHTTPClient]:
    """A client of the API, whose ComfyUI is off unless the test also uses `comfyui`."""
    application = cast("Chalice", gateway)
    with Client(application) as client:
        yield keyed(client, application)


@pytest.fixture
def working(aws: None, comfyui: str) -> Iterator[None]:
    """Workers that follow `comfyui`, for requests with more images than it has slots."""
    with workers():
        yield
