"""What the function of the pages answers."""

import re
from pathlib import Path

import pytest

from tests.pages.asking import DOCS, DOCUMENT, Answer, ask

FILES = ("swagger-ui-bundle.js", "swagger-ui.css", "init.js", "page.css")
EVERYWHERE = (DOCS, *(f"{DOCS}/{name}" for name in FILES), DOCUMENT)


def check_error(answer: Answer, status: int) -> None:
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"
    body = answer.json()
    assert body.keys() == {"status", "message", "details"}
    assert body["status"] == "error"
    assert body["details"].keys() == {"error", "suggestion"}


def test_the_page_is_html_that_is_asked_for_again_each_time() -> None:
    page = ask(DOCS)
    assert page.status == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    assert page.body.startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("swagger-ui-bundle.js", "text/javascript"),
        ("init.js", "text/javascript"),
        ("swagger-ui.css", "text/css"),
        ("swagger-ui-bundle.js.LICENSE.txt", "text/plain"),
    ],
)
def test_a_file_is_served_as_text_with_its_charset(name: str, kind: str) -> None:
    file = ask(f"{DOCS}/{name}")
    assert (file.status, file.headers["content-type"]) == (200, f"{kind}; charset=utf-8")
    folder = Path(__file__).parents[2] / "pages" / "docs"
    assert file.body == (folder / name).read_bytes().decode()


def test_the_page_names_each_of_its_files_with_the_version_that_it_has() -> None:
    links = re.findall(r'(?:src|href)="(docs/.*?)"', ask(DOCS).body)
    assert {link.partition("?")[0] for link in links} == {f"docs/{name}" for name in FILES}
    for link in links:
        file = ask(f"/api/images/{link}")
        assert file.headers["cache-control"] == "public, max-age=31536000, immutable", (
            f"pages/docs/index.html has to name the version {file.headers['etag']} in {link}"
        )


@pytest.mark.parametrize("query", ["", "?v=0", "?v=", "?w=1"])
def test_a_file_is_not_cached_long_at_an_address_without_its_version(query: str) -> None:
    assert ask(f"{DOCS}/init.js{query}").headers["cache-control"] == "no-cache"


def test_the_document_is_cached_for_minutes() -> None:
    assert ask(DOCUMENT).headers["cache-control"] == "public, max-age=300"


@pytest.mark.parametrize("address", EVERYWHERE)
def test_a_caller_that_has_a_version_gets_no_second_copy(address: str) -> None:
    first = ask(address)
    for known in (first.headers["etag"], f'"other", {first.headers["etag"]}'):
        again = ask(address, headers={"if-none-match": known})
        assert (again.status, again.body) == (304, "")
        assert again.headers["etag"] == first.headers["etag"]
        assert again.headers["cache-control"] == first.headers["cache-control"]
    assert ask(address, headers={"If-None-Match": '"other"'}).status == 200


@pytest.mark.parametrize("address", EVERYWHERE)
def test_head_has_the_headers_of_get_and_no_body(address: str) -> None:
    whole, head = ask(address), ask(address, "HEAD")
    assert (head.status, head.headers, head.body) == (200, whole.headers, "")
    assert whole.body


@pytest.mark.parametrize("address", EVERYWHERE)
def test_a_cache_keeps_what_is_compressed_apart_from_what_is_not(address: str) -> None:
    headers = ask(address).headers
    assert headers["vary"] == "Accept-Encoding"
    assert headers["etag"].startswith('W/"'), "API Gateway compresses, and leaves a tag as it is"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("address", [DOCS, f"{DOCS}/init.js", f"{DOCS}/nothing", DOCUMENT])
def test_other_methods_are_refused(address: str, method: str) -> None:
    answer = ask(address, method)
    check_error(answer, 405)
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "name",
    [
        "nothing",
        "index.html",  # its links would lead nowhere
        "swagger-ui.sha256",
        "../serving.py",
        "..%2Fserving.py",
        "../openapi.json",
        ".",
        "INIT.JS",
        "init.js ",
        "\u2026",
    ],
)
def test_an_unknown_file_is_not_found(name: str) -> None:
    check_error(ask(f"{DOCS}/{name}"), 404)
    assert ask(f"{DOCS}/{name}", "HEAD").status == 404


def test_the_page_with_a_slash_leads_to_where_its_links_are_right() -> None:
    answer = ask(f"{DOCS}/")
    assert (answer.status, answer.headers["location"]) == (308, "../docs")


def test_a_file_and_the_document_with_a_slash_are_served() -> None:
    assert ask(f"{DOCS}/init.js/").status == 200
    assert ask(f"{DOCUMENT}/").status == 200


@pytest.mark.parametrize("address", [*EVERYWHERE, f"{DOCS}/nothing", f"{DOCS}/"])
def test_every_answer_has_the_headers_that_protect_a_page(address: str) -> None:
    headers = ask(address).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    policy = dict(each.split(" ", 1) for each in headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data: blob:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }


def test_a_page_may_call_the_api_at_its_own_url_and_load_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    urls = "https://b.s3.r.amazonaws.com  https://api.example/v1 https://api.example"
    monkeypatch.setenv("CALLED_URLS", urls)
    policy = ask(DOCS).headers["content-security-policy"]
    connect = "connect-src 'self' https://b.s3.r.amazonaws.com https://api.example;"
    assert connect in policy


@pytest.mark.parametrize("address", [*EVERYWHERE, f"{DOCS}/nothing"])
def test_every_answer_names_the_allowed_origin(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALLOWED_ORIGIN", "https://shop.example")
    assert ask(address).headers["access-control-allow-origin"] == "https://shop.example"


def test_a_page_has_no_script_and_no_style_of_its_own() -> None:
    page = ask(DOCS).body
    assert re.findall(r"<script[^>]*>([^<]*)", page) == ["", ""]
    assert not re.search(r"<style|\bstyle=|\bon\w+=|javascript:", page)


def test_a_page_names_no_other_host() -> None:
    for name in ("", "/init.js", "/page.css"):
        assert "//" not in ask(f"{DOCS}{name}").body
