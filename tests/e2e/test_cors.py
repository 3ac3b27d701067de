"""A deployment for one web origin: all of its answers name that origin, as they would on AWS."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from infra.preflights import Template, preflights
from local.stack.api import Api, new_key
from local.stack.deploy import deploy
from local.stack.emulator import Emulator

ORIGIN = "https://shop.example"
ALLOW_ORIGIN = "Access-Control-Allow-Origin"
GENERATE = "/api/images/generate"


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    emulator = Emulator(tmp_path_factory.mktemp("cors") / "emulator", port=0)
    yield emulator
    emulator.stop()


@pytest.fixture(scope="module")
def outputs(packaged: Path, emulator: Emulator) -> dict[str, str]:
    return deploy(emulator, packaged, {"AllowedOrigin": ORIGIN})


@pytest.fixture(scope="module")
def api(emulator: Emulator, outputs: dict[str, str]) -> Api:
    return Api(outputs["ApiUrl"], new_key(emulator, "cors"))


@pytest.fixture(scope="module")
def image(emulator: Emulator, outputs: dict[str, str]) -> str:
    """The URL of an object in the bucket of images."""
    s3, bucket = emulator.client("s3"), outputs["ImagesBucketName"]
    s3.put_object(Bucket=bucket, Key="images/01K/0.png", Body=b"image")
    return f"{emulator.url}/{bucket}/images/01K/0.png"


@pytest.fixture(scope="module")
def declared(packaged: Path) -> dict[str, str]:
    """The headers of a preflight in the template, for this origin."""
    template: Template = json.loads((packaged / "template.json").read_text())
    integration = preflights(template)[GENERATE]["x-amazon-apigateway-integration"]
    headers = integration["responses"]["default"]["responseParameters"]
    assert headers.pop(f"method.response.header.{ALLOW_ORIGIN}") == {
        "Fn::Sub": "'${AllowedOrigin}'"
    }
    values = {name.rpartition(".")[2]: value.strip("'") for name, value in headers.items()}
    return {ALLOW_ORIGIN: ORIGIN, **values}


def cors(answer: requests.Response) -> dict[str, str]:
    return {
        name: value for name, value in answer.headers.items() if "access-control" in name.lower()
    }


def test_a_preflight_has_the_headers_of_the_template(api: Api, declared: dict[str, str]) -> None:
    answer = requests.options(f"{api.url}{GENERATE}", headers={"Origin": ORIGIN}, timeout=30)
    assert answer.status_code == 200
    assert cors(answer) == declared


def test_an_answer_of_the_function_has_the_same_headers(api: Api, declared: dict[str, str]) -> None:
    found = cors(api.call("GET", "/api/images/styles"))
    assert found.keys() >= {ALLOW_ORIGIN, "Access-Control-Expose-Headers"}
    assert found.items() <= declared.items()


@pytest.mark.parametrize(
    ("method", "path", "status_code"),
    [
        ("GET", "/api/images/styles/unknown", 404),
        ("DELETE", "/api/images/styles", 405),
        ("TRACE", "/api/images/styles", 404),
    ],
)
def test_errors_of_the_function_and_of_the_gateway_name_the_origin(
    api: Api, method: str, path: str, status_code: int
) -> None:
    answer = api.call(method, path)
    assert answer.status_code == status_code
    assert answer.headers[ALLOW_ORIGIN] == ORIGIN


@pytest.mark.parametrize("authorization", ["", "Bearer x", f"Bearer dk_{'a' * 12}_{'b' * 43}"])
def test_a_refused_key_names_the_origin(api: Api, authorization: str) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    answer = requests.get(f"{api.url}/api/images/styles", headers=headers, timeout=30)
    assert answer.status_code == 401
    assert answer.headers[ALLOW_ORIGIN] == ORIGIN


@pytest.mark.parametrize("origin", ["null", "https://other.example", ORIGIN])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_page_of_any_origin_reads_an_image(image: str, origin: str, method: str) -> None:
    answer = requests.request(method, image, headers={"Origin": origin}, timeout=30)
    assert answer.status_code == 200
    assert answer.headers[ALLOW_ORIGIN] == "*"
    # A browser refuses to send cookies to `*`; no link needs any.
    assert "Access-Control-Allow-Credentials" not in answer.headers
    exposed = answer.headers["Access-Control-Expose-Headers"]
    assert {"ETag", "Content-Length"} <= {name.strip() for name in exposed.split(",")}


@pytest.mark.parametrize("origin", ["null", "https://other.example"])
def test_a_page_may_send_any_header_with_its_request_for_an_image(image: str, origin: str) -> None:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization,x-page",
    }
    answer = requests.options(image, headers=headers, timeout=30)
    assert (answer.status_code, answer.headers[ALLOW_ORIGIN]) == (200, "*")
    assert "authorization" in answer.headers["Access-Control-Allow-Headers"]


def test_a_page_may_not_change_an_image(image: str) -> None:
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "PUT"}
    answer = requests.options(image, headers=headers, timeout=30)
    assert answer.status_code == 403
    assert "AccessForbidden" in answer.text
    assert ALLOW_ORIGIN not in answer.headers
