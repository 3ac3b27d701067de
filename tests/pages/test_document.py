"""The URL of the API in the OpenAPI document."""

import json
from pathlib import Path

import pytest

from tests.pages.asking import DOCUMENT, ask

COMMITTED = json.loads((Path(__file__).parents[2] / "pages" / "openapi.json").read_text())


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("/live", "https://api.example/live"),
        ("/images/v2", "https://api.example/images/v2"),
        ("", "https://api.example"),
    ],
    ids=["stage", "base path", "no prefix"],
)
@pytest.mark.parametrize("slash", ["", "/"])
def test_the_document_names_the_url_at_which_it_was_asked_for(
    base: str, url: str, slash: str
) -> None:
    assert ask(f"{DOCUMENT}{slash}", base=base).json()["servers"] == [{"url": url}]


def test_the_url_has_the_scheme_of_the_request() -> None:
    headers = {"x-forwarded-proto": "http", "host": "127.0.0.1:4566"}
    answer = ask(DOCUMENT, headers=headers)
    assert answer.json()["servers"] == [{"url": "http://127.0.0.1:4566/live"}]


@pytest.mark.parametrize("given", ["https://images.example/v1", "https://images.example/v1/"])
def test_a_url_that_is_set_takes_precedence(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_URL", given)
    assert ask(DOCUMENT).json()["servers"] == [{"url": "https://images.example/v1"}]


def test_the_rest_of_the_document_is_the_committed_one() -> None:
    answer = ask(DOCUMENT)
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert {**answer.json(), "servers": None} == {**COMMITTED, "servers": None}


def test_documents_for_two_urls_have_two_tags() -> None:
    tags = {ask(DOCUMENT, base=base).headers["etag"] for base in ("/live", "/v2")}
    assert len(tags) == 2
