"""Images as a page of another origin reads them, with AllowedOrigin set to that origin."""

from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Page, Request

from local.stack.api import Api
from tests.browser.pages import Refused, fetch
from tests.e2e.conftest import Stack


@pytest.fixture(scope="module")
def job(stack: Stack) -> dict[str, Any]:
    """A job that has its image."""
    job = stack.finished(stack.accepted())
    assert job["status"] == "succeeded", job
    return job


@pytest.fixture(scope="module")
def file(api: Api, job: dict[str, Any]) -> str:
    """The address of the image that never changes."""
    return f"{api.url}/api/images/files/{job['id']}-0"


@pytest.fixture
def requests(page: Page) -> list[Request]:
    """The requests that the page has made."""
    found: list[Request] = []
    page.on("request", lambda request: found.append(request))
    return found


def size_of(content: bytes) -> tuple[int, int]:
    return Image.open(BytesIO(content)).size


def test_a_page_fetches_an_image_through_its_lasting_address(
    page: Page, api: Api, file: str, requests: list[Request]
) -> None:
    answer = fetch(page, file, headers=api.headers)
    assert (answer.status, answer.redirected) == (200, True)
    assert size_of(answer.content) == (64, 64)
    assert answer.headers["content-length"] == str(len(answer.content))
    assert "etag" in answer.headers
    # From the API, another origin, on to the bucket, a third one.
    [asked, redirected] = [each for each in requests if each.method == "GET"]
    assert asked.all_headers()["origin"] != "null"
    assert redirected.all_headers()["origin"] == "null"
    assert urlsplit(redirected.url).netloc != urlsplit(asked.url).netloc
    # S3 refuses a request that has a signed link and a key.
    assert "authorization" not in redirected.all_headers()


def test_a_page_asks_for_the_size_of_an_image_with_head(page: Page, api: Api, file: str) -> None:
    whole = fetch(page, file, headers=api.headers)
    answer = fetch(page, file, method="HEAD", headers=api.headers)
    assert (answer.status, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(whole.content))


def test_a_page_of_another_origin_than_the_allowed_one_reads_a_link_but_not_the_api(
    page: Page, origin: str, api: Api, file: str, job: dict[str, Any]
) -> None:
    page.goto(origin.replace("127.0.0.1", "localhost"))
    with pytest.raises(Refused):
        fetch(page, file, headers=api.headers)
    assert size_of(fetch(page, job["image_urls"][0]).content) == (64, 64)


def test_a_bucket_for_the_allowed_origin_alone_would_refuse_the_redirect(
    page: Page, origin: str, stack: Stack, api: Api, file: str, job: dict[str, Any]
) -> None:
    s3, bucket = stack.emulator.client("s3"), bucket_of(job)
    declared = s3.get_bucket_cors(Bucket=bucket)["CORSRules"]
    alone = [{**declared[0], "AllowedOrigins": [origin]}]
    try:
        s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": alone})
        with pytest.raises(Refused):
            fetch(page, file, headers=api.headers)
    finally:
        s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": declared})
    assert fetch(page, file, headers=api.headers).status == 200


def bucket_of(job: dict[str, Any]) -> str:
    return urlsplit(job["image_urls"][0]).path.split("/")[1]


def test_a_page_that_reads_a_link_twice_loads_the_image_once(
    page: Page, job: dict[str, Any]
) -> None:
    cached: list[bool] = []
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.on(
        "Network.responseReceived",
        lambda event: cached.append(event["response"]["fromDiskCache"]),
    )
    for _ in range(2):
        assert fetch(page, job["image_urls"][0]).status == 200
    assert cached == [False, True]
