"""The pages and the OpenAPI document through API Gateway, without a key."""

import re
from urllib.parse import urljoin

import pytest
import requests

from tests.e2e.conftest import Stack
from tests.e2e.test_gateway import check_error

DOCS = "/api/images/docs"
DOCUMENT = "/api/images/openapi.json"


def ask(stack: Stack, address: str, method: str = "GET", **headers: str) -> requests.Response:
    """Send a request without a key."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"{stack.api.url}{address}"
    return requests.request(method, url, headers=named, timeout=30, allow_redirects=False)


def test_the_page_and_its_files_are_served_without_a_key(stack: Stack) -> None:
    page = ask(stack, DOCS)
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    links = re.findall(r'(?:src|href)="(docs/.*?)"', page.text)
    assert len(links) == 4
    for link in links:
        file = requests.get(urljoin(page.url, link), timeout=30)
        assert (file.status_code, len(file.text) > 100) == (200, True)
        assert "immutable" in file.headers["Cache-Control"]
        assert file.headers["Content-Type"].endswith("; charset=utf-8")
        assert file.headers["X-Content-Type-Options"] == "nosniff"


def test_the_document_has_the_url_of_this_deployment(stack: Stack) -> None:
    answer = ask(stack, DOCUMENT, Origin="https://tool.example")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    document = answer.json()
    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": stack.api.url}]
    assert stack.call("GET", f"{document['servers'][0]['url']}/api/images/styles").ok


@pytest.mark.parametrize("address", [DOCS, f"{DOCS}/init.js", DOCUMENT])
def test_head_has_the_headers_of_get(stack: Stack, address: str) -> None:
    whole, head = ask(stack, address), ask(stack, address, "HEAD")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("Content-Type", "ETag", "Cache-Control", "Content-Security-Policy"):
        assert head.headers[name] == whole.headers[name]


def test_a_caller_that_has_the_page_gets_no_second_copy(stack: Stack) -> None:
    tag = ask(stack, DOCS).headers["ETag"]
    answer = ask(stack, DOCS, If_None_Match=tag)
    assert (answer.status_code, answer.content) == (304, b"")


def test_the_page_with_a_slash_leads_to_the_page(stack: Stack) -> None:
    answer = ask(stack, f"{DOCS}/")
    assert answer.status_code == 308
    assert urljoin(answer.url, answer.headers["Location"]) == f"{stack.api.url}{DOCS}"


@pytest.mark.parametrize("name", ["nothing", "index.html", "swagger-ui.sha256", "%2e%2e"])
def test_an_unknown_file_is_not_found(stack: Stack, name: str) -> None:
    check_error(ask(stack, f"{DOCS}/{name}"), 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("address", [DOCS, f"{DOCS}/init.js", DOCUMENT])
def test_other_methods_are_refused_with_those_that_are_allowed(
    stack: Stack, address: str, method: str
) -> None:
    answer = ask(stack, address, method)
    check_error(answer, 405)
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("address", [DOCS, f"{DOCS}/init.js", DOCUMENT])
def test_a_preflight_is_answered_by_api_gateway(stack: Stack, address: str) -> None:
    answer = ask(stack, address, "OPTIONS", Origin="https://tool.example")
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Access-Control-Allow-Methods"] == "GET,HEAD,OPTIONS"


def test_an_answer_is_compressed_if_it_is_long_and_the_caller_accepts_that(stack: Stack) -> None:
    [bundle] = re.findall(r'src="(docs/swagger-ui-bundle.*?)"', ask(stack, DOCS).text)
    address = f"/api/images/{bundle}"
    plain = ask(stack, address, Accept_Encoding="identity")
    packed = ask(stack, address, Accept_Encoding="gzip")
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.text == plain.text
    assert int(packed.headers["Content-Length"]) < 500_000
    assert "Content-Encoding" not in ask(stack, f"{DOCS}/init.js", Accept_Encoding="gzip").headers


def test_json_of_the_api_is_compressed_too_and_means_the_same(stack: Stack) -> None:
    packed, plain = (
        stack.call("GET", "/api/images/styles", headers={"Accept-Encoding": coding})
        for coding in ("gzip", "identity")
    )
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.json() == plain.json()


def test_the_paths_beside_the_pages_need_a_key_all_the_same(stack: Stack) -> None:
    for address in (f"{DOCS}/a/b", "/api/images/openapi", "/api/images/styles"):
        assert ask(stack, address).status_code == 401
    assert stack.call("GET", f"{DOCS}/a/b").status_code == 404
