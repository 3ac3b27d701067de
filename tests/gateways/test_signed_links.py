"""Signed links: the same for some minutes, valid for long enough, and signed as botocore does."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import boto3
import botocore.auth
import pytest
from botocore.config import Config
from botocore.credentials import Credentials, ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.clients import Gateways
from chalicelib.config import config
from chalicelib.gateways.signed_links import SignedLinks
from tests.gateways.bucket import store

KEY = "images/01K/0.png"
WINDOW = 900
START = 1_800_000_000 // WINDOW * WINDOW
WEEK = 604_800
METHODS = ("GET", "HEAD")
SHOWN = {"response-content-disposition": 'inline; filename="a b"'}

NOWS = st.floats(min_value=START, max_value=START + 10 * WINDOW)
SECONDS = st.integers(min_value=1, max_value=WEEK)


class Clock:
    """A clock that a test sets."""

    now = float(START)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def parameters(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query, strict_parsing=True))


def signed_at(url: str) -> float:
    date = parameters(url)["X-Amz-Date"]
    return datetime.strptime(f"{date}+0000", "%Y%m%dT%H%M%SZ%z").timestamp()


def client(**options: Any) -> Any:
    return boto3.client(
        "s3",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        aws_session_token=options.pop("token", None),
        config=Config(signature_version="s3v4", s3=options.pop("s3", None)),
        **options,
    )


PLACES: dict[str, dict[str, Any]] = {
    "virtual-hosted": {"region_name": "eu-central-1", "s3": {"addressing_style": "virtual"}},
    "path": {"region_name": "us-west-2", "s3": {"addressing_style": "path"}},
    "China": {"region_name": "cn-north-1", "s3": {"addressing_style": "virtual"}},
    "emulator": {"region_name": "us-east-1", "endpoint_url": "http://127.0.0.1:4566"},
    "with a session": {"region_name": "eu-west-1", "token": "to/ken+=="},
}


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore's own clock shows the start of the window."""
    now = datetime.fromtimestamp(START, UTC)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: now)


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize(("method", "operation"), [("GET", "get_object"), ("HEAD", "head_object")])
@pytest.mark.parametrize("key", [KEY, "images/01K/0.p n+g~é%2F&"])
def test_a_link_is_the_one_that_botocore_signs_at_the_start_of_the_window(
    place: dict[str, Any], method: str, operation: str, key: str, clock: Clock, frozen: None
) -> None:
    s3 = client(**place)
    credentials = Credentials("AKIDEXAMPLE", "secret", place.get("token"))
    clock.now = START + 700.0
    link = SignedLinks(s3, credentials, "images", seconds=3600, clock=clock).link(
        method, key, SHOWN
    )
    disposition = SHOWN["response-content-disposition"]
    asked = {"Bucket": "images", "Key": key, "ResponseContentDisposition": disposition}
    assert link == s3.generate_presigned_url(operation, Params=asked, ExpiresIn=3600 + WINDOW)


def test_every_read_in_a_window_gives_the_same_link(clock: Clock) -> None:
    images = store(clock=clock)
    first = images.url(KEY)
    for seconds in (0.5, 1, 450, WINDOW - 1, WINDOW - 0.001):
        clock.now = START + seconds
        assert images.url(KEY) == first
    clock.now = START + WINDOW
    assert images.url(KEY) != first


def test_each_key_and_each_method_has_a_link_of_its_own(clock: Clock) -> None:
    images = store(clock=clock)
    links = {images.url(key, method) for key in (KEY, "images/01K/1.png") for method in METHODS}
    assert len(links) == 4


@given(now=NOWS, seconds=SECONDS)
def test_a_link_is_valid_for_as_long_as_the_setting_says_after_any_read(
    now: float, seconds: int
) -> None:
    url = store(url_seconds=seconds, clock=lambda: now).url(KEY)
    expires = int(parameters(url)["X-Amz-Expires"])
    assert 0 < expires <= WEEK
    assert signed_at(url) <= now
    # A time is signed in whole seconds.
    assert signed_at(url) + expires >= int(now) + seconds


@pytest.mark.parametrize(("seconds", "window"), [(60, 60), (3600, WINDOW), (WEEK - 100, 100)])
def test_a_short_and_a_very_long_link_have_a_shorter_window(
    seconds: int, window: int, clock: Clock
) -> None:
    url = store(url_seconds=seconds, clock=clock).url(KEY)
    assert parameters(url)["X-Amz-Expires"] == str(seconds + window)


def test_other_credentials_sign_another_link_at_once(clock: Clock) -> None:
    current = [ReadOnlyCredentials("AKIDFIRST", "secret", "first")]
    credentials = SimpleNamespace(get_frozen_credentials=lambda: current[0])
    links = SignedLinks(client(), credentials, "images", seconds=3600, clock=clock)
    first = links.link("GET", KEY, {})
    current[0] = ReadOnlyCredentials("AKIDSECOND", "secret", "second")
    second = links.link("GET", KEY, {})
    assert parameters(first)["X-Amz-Security-Token"] == "first"
    assert parameters(second)["X-Amz-Security-Token"] == "second"
    assert parameters(second)["X-Amz-Credential"].startswith("AKIDSECOND/")


@pytest.mark.parametrize("region", ["eu-central-1", "us-east-1"])
def test_links_lead_to_the_region_of_the_bucket(
    monkeypatch: pytest.MonkeyPatch, region: str
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    # For hours after a bucket was made, the global address redirects to the regional one. A
    # signature is for one address, and a streamed upload cannot be sent again.
    url = Gateways(config).images.url(KEY)
    assert urlsplit(url).netloc == f"images.s3.{region}.amazonaws.com"
