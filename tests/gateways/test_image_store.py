"""The bucket of images: what is stored there, how it is linked to, and when it is not."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
import requests
from aiohttp import web

from chalicelib import wiring
from chalicelib.errors import StoreFailed
from chalicelib.gateways.image_store import ImageStore
from local.processes import free_port
from tests.gateways.faulty import Answer, Script, serving

PNG = b"\x89PNG" + bytes(range(256)) * 300
KEY = "images/01K/0.png"


def store(s3: Any = None, *, base_url: str = "", url_seconds: int = 3600) -> ImageStore:
    """Make a store, at moto's S3 unless told otherwise."""
    client = s3 or boto3.client("s3")
    return ImageStore(
        client, requests.Session(), "images", base_url=base_url, url_seconds=url_seconds
    )


def put(images: ImageStore, content: bytes = PNG, key: str = KEY) -> None:
    images.put(key, BytesIO(content), len(content))


def stored(key: str = KEY) -> dict[str, Any]:
    found: dict[str, Any] = boto3.client("s3").get_object(Bucket="images", Key=key)
    return found


def test_an_image_is_stored_with_its_type_and_name(aws: None) -> None:
    put(store())
    image = stored()
    assert image["Body"].read() == PNG
    assert image["ContentType"] == "image/png"
    assert image["ContentDisposition"] == 'inline; filename="0.png"'


TYPES = [("0.webp", "image/webp"), ("0.jpg", "image/jpeg"), ("0", "application/octet-stream")]


@pytest.mark.parametrize(("name", "content_type"), TYPES)
def test_the_type_follows_the_name(aws: None, name: str, content_type: str) -> None:
    put(store(), key=f"images/01K/{name}")
    assert stored(f"images/01K/{name}")["ContentType"] == content_type


def test_an_image_that_is_stored_again_replaces_itself(aws: None) -> None:
    images = store()
    put(images, b"first")
    put(images, b"second")
    assert stored()["Body"].read() == b"second"
    assert boto3.client("s3").list_objects_v2(Bucket="images")["KeyCount"] == 1


def test_a_link_gives_the_image_as_it_was_stored(aws: None) -> None:
    images = store()
    put(images)
    answer = requests.get(images.url(KEY), timeout=5)
    assert (answer.status_code, answer.content) == (200, PNG)
    assert answer.headers["Content-Type"] == "image/png"


@pytest.mark.parametrize("seconds", [60, 3600])
def test_a_link_expires_when_the_setting_says(aws: None, seconds: int) -> None:
    query = parse_qs(urlsplit(wired_store(seconds).url(KEY)).query)
    assert query["X-Amz-Expires"] == [str(seconds)]
    assert "X-Amz-Signature" in query


def wired_store(url_seconds: int) -> ImageStore:
    """Make a store that signs as the deployed one does."""
    return store(
        boto3.client("s3", config=wiring.images()._s3.meta.config), url_seconds=url_seconds
    )


@pytest.mark.parametrize(
    "base_url", ["https://images.example.com/a", "https://images.example.com/a/"]
)
def test_below_a_public_address_links_are_not_signed(aws: None, base_url: str) -> None:
    assert store(base_url=base_url).url(KEY) == f"https://images.example.com/a/{KEY}"


@pytest.fixture
def elsewhere(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The deployment in a region other than the first."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    yield "eu-central-1"
    wiring.images.cache_clear()


def test_links_lead_to_the_region_of_the_bucket(elsewhere: str) -> None:
    # The global address redirects to the region for hours after a bucket is made, which neither
    # a signature nor a streamed upload survives.
    assert elsewhere in urlsplit(wiring.images().url(KEY)).netloc


class BreaksOff(BytesIO):
    """Content that ends in an error."""

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        if not data:
            raise ConnectionResetError("reset by peer")
        return data


def is_empty() -> bool:
    return boto3.client("s3").list_objects_v2(Bucket="images")["KeyCount"] == 0


def test_content_that_breaks_off_is_not_stored(aws: None) -> None:
    with pytest.raises(StoreFailed):
        store().put(KEY, BreaksOff(PNG), len(PNG) * 2)
    assert is_empty()


def test_what_no_bucket_takes_has_failed(aws: None) -> None:
    boto3.client("s3").delete_bucket(Bucket="images")
    with pytest.raises(StoreFailed) as failure:
        put(store())
    assert "http" not in str(failure.value)


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
def test_an_s3_that_refuses_has_failed(answer: Answer) -> None:
    with serving(Script(answers={"images": answer})) as url, pytest.raises(StoreFailed):
        put(store(boto3.client("s3", endpoint_url=url)))


def test_an_s3_that_does_not_answer_has_failed() -> None:
    s3 = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{free_port(0)}")
    with pytest.raises(StoreFailed):
        put(store(s3))
