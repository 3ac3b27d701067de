"""The bucket of images: how images are stored and linked to, and which uploads fail."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import boto3
import moto
import pytest
import requests
from aiohttp import web

from chalicelib.gateways.s3 import ImageStore
from chalicelib.signals import StoreFailed
from local.stack.processes import free_port
from tests.gateways.bucket import broken_store, bucket, store
from tests.gateways.faulty import Answer

PNG = b"\x89PNG" + bytes(range(256)) * 300
KEY = "images/01K/0.png"


@pytest.fixture
def s3() -> Iterator[Any]:
    """An S3 with the bucket, which is empty."""
    with moto.mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="images")
        yield s3


def put(images: ImageStore, content: bytes = PNG, key: str = KEY) -> None:
    images.put(key, BytesIO(content), len(content))


def test_an_image_is_stored_with_its_type_and_a_file_name(s3: Any) -> None:
    put(store())
    image = s3.get_object(Bucket="images", Key=KEY)
    assert image["Body"].read() == PNG
    assert image["ContentType"] == "image/png"
    assert image["ContentDisposition"] == 'inline; filename="01K-0.png"'


@pytest.mark.parametrize("key", [KEY, "images/01K/0.json"])
def test_browsers_keep_images_and_their_provenance(s3: Any, key: str) -> None:
    images = store()
    put(images, key=key)
    headers = requests.get(images.url(key), timeout=5).headers
    assert headers["Cache-Control"] == "private, max-age=31536000, immutable"


TYPES = [("0.webp", "image/webp"), ("0.jpg", "image/jpeg"), ("0", "application/octet-stream")]


@pytest.mark.parametrize(("name", "content_type"), TYPES)
def test_the_content_type_follows_the_file_name(s3: Any, name: str, content_type: str) -> None:
    key = f"images/01K/{name}"
    put(store(), key=key)
    assert s3.get_object(Bucket="images", Key=key)["ContentType"] == content_type


def test_storing_an_image_again_replaces_it(s3: Any) -> None:
    images = store()
    put(images, b"first")
    put(images, b"second")
    assert s3.get_object(Bucket="images", Key=KEY)["Body"].read() == b"second"
    assert s3.list_objects_v2(Bucket="images")["KeyCount"] == 1


def test_a_link_returns_the_image_as_it_was_stored(s3: Any) -> None:
    images = store()
    put(images)
    answer = requests.get(images.url(KEY), timeout=5)
    assert (answer.status_code, answer.content) == (200, PNG)
    assert answer.headers["Content-Type"] == "image/png"


def test_a_link_sets_type_and_file_name_whatever_was_stored_with_the_image(s3: Any) -> None:
    for name, content_type in [("0.png", "image/png"), ("0.json", "application/json")]:
        s3.put_object(Bucket="images", Key=f"images/01K/{name}", Body=PNG, ContentType="text/html")
        headers = requests.get(store().url(f"images/01K/{name}"), timeout=5).headers
        assert headers["Content-Type"] == content_type
        assert headers["Content-Disposition"] == f'inline; filename="01K-{name}"'


@pytest.mark.parametrize("base_url", ["https://example.com/a", "https://example.com/a/"])
def test_a_link_below_a_public_address_is_not_signed(base_url: str) -> None:
    assert store(base_url=base_url).url(KEY) == f"https://example.com/a/{KEY}"


class BreaksOff(BytesIO):
    """Content that ends in an error."""

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        if not data:
            raise ConnectionResetError("reset by peer")
        return data


def test_content_that_breaks_off_is_not_stored() -> None:
    with bucket() as (images, kept):
        with pytest.raises(StoreFailed):
            images.put(KEY, BreaksOff(PNG), len(PNG) + 1)
        assert kept == {}
        put(images)
        assert kept == {f"/images/{KEY}": PNG}


def refuses(status: int) -> Answer:
    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=status, text="<Error><Code>SlowDown</Code></Error>")

    return answer


async def hang_up(request: web.Request) -> web.Response:
    if request.transport:
        request.transport.abort()
    return web.Response()


BROKEN = {"403": refuses(403), "503": refuses(503), "hangs up": hang_up}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_an_upload_that_s3_refuses_fails(answer: Answer) -> None:
    with broken_store(answer) as images, pytest.raises(StoreFailed) as failure:
        put(images)
    assert "Signature" not in str(failure.value)


def test_an_upload_without_a_bucket_fails(s3: Any) -> None:
    s3.delete_bucket(Bucket="images")
    with pytest.raises(StoreFailed):
        put(store())


def test_an_upload_fails_if_s3_does_not_answer() -> None:
    with pytest.raises(StoreFailed):
        put(store(f"http://127.0.0.1:{free_port(0)}"))
