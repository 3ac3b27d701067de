"""Images of a job that did not succeed are deleted, and no others."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import boto3
import moto
import pytest
from aiohttp import web

from chalicelib.signals import StoreFailed
from tests.gateways.bucket import broken_store, store
from tests.gateways.faulty import Answer


@pytest.fixture
def s3() -> Iterator[Any]:
    with moto.mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="images")
        yield s3


def keys(s3: Any) -> list[str]:
    listed = s3.list_objects_v2(Bucket="images").get("Contents", [])
    return [each["Key"] for each in listed]


def put(*names: str) -> None:
    for name in names:
        store().put(f"images/{name}", BytesIO(b"png"), 3)


def test_all_images_of_a_job_are_deleted_and_those_of_other_jobs_are_not(s3: Any) -> None:
    put("01J/0.png", "01J/0.json", "01J/1.png", "01J0/0.png", "01/0.png")
    store().delete("01J")
    assert keys(s3) == ["images/01/0.png", "images/01J0/0.png"]


def test_deleting_images_that_do_not_exist_is_harmless(s3: Any) -> None:
    put("01J/0.png")
    for _ in range(2):
        store().delete("01J")
    store().delete("never")
    assert keys(s3) == []


def test_a_deletion_without_a_bucket_fails(s3: Any) -> None:
    s3.delete_bucket(Bucket="images")
    with pytest.raises(StoreFailed):
        store().delete("01J")


LISTED = (
    '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><KeyCount>1</KeyCount>'
    "<Contents><Key>images/01J/0.png</Key></Contents></ListBucketResult>"
)
REFUSED = (
    '<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    "<Error><Key>images/01J/0.png</Key><Code>AccessDenied</Code></Error></DeleteResult>"
)


def answers(deletion: Answer) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            return web.Response(text=LISTED, content_type="application/xml")
        return await deletion(request)

    return answer


async def refuse(_request: web.Request) -> web.Response:
    return web.Response(status=403, text="<Error><Code>AccessDenied</Code></Error>")


def test_a_deletion_that_s3_refuses_fails() -> None:
    for answer in (refuse, answers(refuse)):
        with broken_store(answer) as images, pytest.raises(StoreFailed):
            images.delete("01J")


def test_a_deletion_that_s3_refuses_for_one_image_fails() -> None:
    async def refuse_each(_request: web.Request) -> web.Response:
        return web.Response(text=REFUSED, content_type="application/xml")

    with broken_store(answers(refuse_each)) as images, pytest.raises(StoreFailed):
        images.delete("01J")
