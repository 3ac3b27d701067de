"""Reports of boots are read from the bucket: absent ones are None, long ones are cut off."""

from collections.abc import Iterator
from typing import Any

import boto3
import moto
import pytest
from aiohttp import web
from botocore.config import Config

from chalicelib.gateways import client_options
from chalicelib.gateways.s3 import BootReportStore
from chalicelib.signals import StoreFailed
from tests.gateways.faulty import Script, serving


@pytest.fixture
def s3() -> Iterator[Any]:
    with moto.mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="images")
        yield s3


def put(s3: Any, name: str, body: bytes) -> None:
    s3.put_object(Bucket="images", Key=f"boots/{name}.json", Body=body)


def test_the_report_of_an_instance_is_read(s3: Any) -> None:
    put(s3, "i-1", b"{}")
    put(s3, "i-2", b"[]")
    assert BootReportStore(s3, "images").read("i-1") == b"{}"


def test_an_absent_report_is_none(s3: Any) -> None:
    assert BootReportStore(s3, "images").read("i-1") is None


def test_a_long_report_is_cut_off(s3: Any) -> None:
    put(s3, "i-1", b" " * 10_000_000)
    assert BootReportStore(s3, "images").read("i-1") == b" " * 4096


def read(status: int, code: str) -> bytes | None:
    async def refuse(_request: web.Request) -> web.Response:
        return web.Response(status=status, text=f"<Error><Code>{code}</Code></Error>")

    with serving(Script(answers={"images": refuse})) as url:
        options = Config(**client_options.BOOT_REPORTS)
        client = boto3.client("s3", endpoint_url=url, config=options)
        return BootReportStore(client, "images").read("i-1")


def test_s3_says_that_it_denies_access_to_a_report_that_does_not_exist() -> None:
    assert read(403, "AccessDenied") is None


def test_a_report_cannot_be_read_while_s3_fails() -> None:
    with pytest.raises(StoreFailed):
        read(503, "SlowDown")


def test_a_report_cannot_be_read_without_an_answer() -> None:
    client = boto3.client(
        "s3", endpoint_url="http://127.0.0.1:9", config=Config(**client_options.BOOT_REPORTS)
    )
    with pytest.raises(StoreFailed):
        BootReportStore(client, "images").read("i-1")
