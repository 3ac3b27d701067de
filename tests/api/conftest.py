"""The API as its callers reach it: behind a gateway, under a stage."""

from collections.abc import Iterator

import pytest
from chalice.test import Client, TestHTTPClient

import app
from tests.api.gateway import Gateway


@pytest.fixture
def http(aws: None) -> Iterator[TestHTTPClient]:
    """The API, whose ComfyUI is off unless `comfyui` is asked for too."""
    with Client(Gateway(app.app)) as client:
        yield client.http
