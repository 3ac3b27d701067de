"""Pagination of the catalogs."""

import json
from base64 import urlsafe_b64encode
from urllib.parse import quote

import pytest
from chalice.test import TestHTTPClient

from chalicelib.api.paging import RESPONSE_LIMIT_BYTES
from tests.api.calls import next_path, pages, send
from tests.api.contract import check_error
from tests.api.samples import Sample, each_catalog

STYLES = "/api/images/styles"
LAMBDA_RESPONSE_BYTES = 6 * 1024 * 1024

BAD_LIMITS = ["0", "-1", "1001", "abc", "1.5", "", "1e2", "%20", "+5", "٣", "9" * 30]
OVERLONG_LIMITS = ["000001000" + "9" * 12, "000000010" + "0" * 5000]


def cursor(position: str) -> str:
    return urlsafe_b64encode(position.encode()).decode().rstrip("=")


BAD_CURSORS = [
    "",
    "x",
    "!!!!",
    "é",
    "None",
    cursor("abc"),
    cursor("-1"),
    cursor("²"),
    cursor("1" * 13),
    cursor("1" * 2000),
    cursor("01ARZ3NDEKTSV4RRFFQ69G5FAV"),
]


@each_catalog
def test_following_all_pages_returns_every_item_once(http: TestHTTPClient, sample: Sample) -> None:
    whole = http.get(sample.path).json_body
    for limit in (1, 3, 7, len(whole), 1000):
        found = list(pages(http, f"{sample.path}?limit={limit}"))
        assert [item for page in found for item in page] == whole
        assert all(len(page) == limit for page in found[:-1])
        assert 1 <= len(found[-1]) <= limit


@each_catalog
def test_a_page_with_all_items_has_no_next_link(http: TestHTTPClient, sample: Sample) -> None:
    count = len(http.get(sample.path).json_body)
    assert "Link" not in http.get(sample.path).headers
    assert "Link" not in http.get(f"{sample.path}?limit={count}").headers
    assert "Link" in http.get(f"{sample.path}?limit={count - 1}").headers


def test_the_next_page_starts_after_an_item_that_was_deleted_meanwhile(
    http: TestHTTPClient,
) -> None:
    ids = [style["id"] for style in http.get(STYLES).json_body]
    first = http.get(f"{STYLES}?limit=2")
    http.delete(f"{STYLES}/{ids[1]}")
    following = next_path(first)
    assert following
    assert [style["id"] for style in http.get(following).json_body] == ids[2:4]


def test_an_item_created_meanwhile_is_on_the_last_page(http: TestHTTPClient) -> None:
    count = len(http.get(STYLES).json_body)
    following = next_path(http.get(f"{STYLES}?limit={count - 1}"))
    assert following
    body = {"name": "Late", "description": "", "prompt_template": "late"}
    late = send(http, "POST", STYLES, body).json_body
    assert http.get(following).json_body[-1] == late


@each_catalog
def test_an_invalid_limit_is_refused(http: TestHTTPClient, sample: Sample) -> None:
    for limit in BAD_LIMITS:
        check_error(http.get(f"{sample.path}?limit={quote(limit, safe='%')}"), 400, "limit")


@pytest.mark.parametrize("limit", OVERLONG_LIMITS, ids=["21-digits", "5009-digits"])
def test_leading_zeros_do_not_hide_a_limit_that_is_too_large(
    http: TestHTTPClient, limit: str
) -> None:
    check_error(http.get(f"{STYLES}?limit={limit}"), 400, "limit")
    check_error(http.get(f"/api/images/jobs?limit={limit}"), 400, "limit")


@each_catalog
def test_an_invalid_cursor_is_refused(http: TestHTTPClient, sample: Sample) -> None:
    for text in BAD_CURSORS:
        check_error(http.get(f"{sample.path}?cursor={quote(text)}"), 400, "cursor")


def test_a_list_too_large_for_one_response_is_split_into_pages(http: TestHTTPClient) -> None:
    # Lambda's response is JSON within JSON, in which an emoji takes up to twelve bytes.
    longest = {"name": "Long", "description": "", "prompt_template": "😀" * 10_000}
    created = [send(http, "POST", STYLES, longest).json_body["id"] for _ in range(50)]
    for path in (STYLES, f"{STYLES}?limit=1000"):
        first, *rest = pages(http, path)
        assert rest
        size = len(json.dumps(json.dumps(first, ensure_ascii=False)))
        assert RESPONSE_LIMIT_BYTES * 0.9 < size < LAMBDA_RESPONSE_BYTES
        assert [style["id"] for page in (first, *rest) for style in page][-50:] == created
