"""CORS of the emulator's buckets: as S3 answers pages of other origins."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from local.stack.emulator import Emulator

SHOP = "https://shop.example"
RULE = {
    "AllowedOrigins": [SHOP, "https://*.test"],
    "AllowedMethods": ["GET"],
    "AllowedHeaders": ["X-Page-*"],
    "ExposeHeaders": ["ETag"],
    "MaxAgeSeconds": 60,
}
ANYONE = {"AllowedOrigins": ["*"], "AllowedMethods": ["GET", "HEAD"], "AllowedHeaders": ["*"]}


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    emulator = Emulator(tmp_path_factory.mktemp("bucket-cors"), port=0)
    try:
        s3 = emulator.client("s3")
        for name, rules in {"closed": [], "shop": [RULE], "open": [ANYONE]}.items():
            s3.create_bucket(Bucket=name)
            s3.put_object(Bucket=name, Key="image.png", Body=b"image")
            if rules:
                s3.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": rules})
        yield emulator
    finally:
        emulator.stop()


def ask(emulator: Emulator, bucket: str, method: str = "GET", **headers: str) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.request(method, f"{emulator.url}/{bucket}/image.png", headers=named, timeout=10)


def cors(answer: requests.Response) -> dict[str, str]:
    """Return the CORS headers of an answer, without their common prefix."""
    return {
        name.lower().removeprefix("access-control-"): value
        for name, value in answer.headers.items()
        if name.lower().startswith("access-control-")
    }


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("origin", [SHOP, "null"])
def test_a_bucket_without_a_configuration_names_no_origin(
    emulator: Emulator, method: str, origin: str
) -> None:
    answer = ask(emulator, "closed", method, Origin=origin)
    assert (answer.status_code, cors(answer)) == (200, {})


@pytest.mark.parametrize("origin", [SHOP, "https://a.test"])
def test_an_allowed_origin_is_named_in_the_answer(emulator: Emulator, origin: str) -> None:
    answer = ask(emulator, "shop", Origin=origin)
    assert answer.content == b"image"
    assert cors(answer) == {
        "allow-origin": origin,
        "allow-methods": "GET",
        "allow-credentials": "true",
        "expose-headers": "ETag",
        "max-age": "60",
    }
    assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize("headers", [{"Origin": "null"}, {"Origin": "https://evil.example"}, {}])
def test_an_answer_to_another_origin_has_no_cors_headers(
    emulator: Emulator, headers: dict[str, str]
) -> None:
    answer = ask(emulator, "shop", **headers)
    assert (answer.status_code, cors(answer)) == (200, {})


def test_a_method_that_no_rule_has_is_answered_without_cors_headers(emulator: Emulator) -> None:
    assert cors(ask(emulator, "shop", "HEAD", Origin=SHOP)) == {}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("origin", ["null", SHOP])
def test_a_bucket_for_every_origin_answers_with_a_star(
    emulator: Emulator, method: str, origin: str
) -> None:
    assert cors(ask(emulator, "open", method, Origin=origin))["allow-origin"] == "*"


PREFLIGHTS: dict[str, tuple[str, dict[str, str], dict[str, Any]]] = {
    "allowed": (
        "shop",
        {
            "Origin": SHOP,
            "Access_Control_Request_Method": "GET",
            "Access_Control_Request_Headers": "x-page-id",
        },
        {"allow-origin": SHOP, "allow-headers": "x-page-id"},
    ),
    "open": (
        "open",
        {
            "Origin": "null",
            "Access_Control_Request_Method": "HEAD",
            "Access_Control_Request_Headers": "authorization, range",
        },
        {"allow-origin": "*", "allow-headers": "authorization, range"},
    ),
}


@pytest.mark.parametrize(("bucket", "headers", "expected"), PREFLIGHTS.values(), ids=PREFLIGHTS)
def test_a_preflight_is_answered_by_the_first_rule_that_allows_it(
    emulator: Emulator, bucket: str, headers: dict[str, str], expected: dict[str, str]
) -> None:
    answer = ask(emulator, bucket, "OPTIONS", **headers)
    assert (answer.status_code, answer.content) == (200, b"")
    assert cors(answer).items() >= expected.items()


REFUSED: dict[str, tuple[str, dict[str, str]]] = {
    "no configuration": ("closed", {"Origin": SHOP, "Access_Control_Request_Method": "GET"}),
    "origin": ("shop", {"Origin": "null", "Access_Control_Request_Method": "GET"}),
    "method": ("shop", {"Origin": SHOP, "Access_Control_Request_Method": "PUT"}),
    "header": (
        "shop",
        {
            "Origin": SHOP,
            "Access_Control_Request_Method": "GET",
            "Access_Control_Request_Headers": "authorization",
        },
    ),
}


@pytest.mark.parametrize(("bucket", "headers"), REFUSED.values(), ids=REFUSED)
def test_a_preflight_that_no_rule_allows_is_refused(
    emulator: Emulator, bucket: str, headers: dict[str, str]
) -> None:
    answer = ask(emulator, bucket, "OPTIONS", **headers)
    assert (answer.status_code, cors(answer)) == (403, {})
    assert "<Code>AccessForbidden</Code>" in answer.text


def test_a_preflight_of_another_service_is_answered_as_before(emulator: Emulator) -> None:
    answer = requests.options(emulator.url, headers={"Origin": SHOP}, timeout=10)
    assert (answer.status_code, cors(answer)["allow-origin"]) == (200, "*")
