"""What the headers of a request may say of its body."""

import time

import pytest
from chalice.test import HTTPResponse, TestHTTPClient

from tests.api.calls import send
from tests.api.contract import check_error

STYLES = "/api/images/styles"
STYLE = {"name": "a", "description": "", "prompt_template": "a"}


def create(http: TestHTTPClient, body: object = STYLE, **headers: str) -> HTTPResponse:
    return send(http, "POST", STYLES, body, **headers)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=utf-8",
        "application/json;charset=UTF8",
        'application/json; Charset="utf-8"',
        r'application/json; charset="\u\t\f-8"',
        "application/json; charset=us-ascii",
        'application/json ; profile="a;charset=latin1"\t; charset=utf-8 ;',
        "application/json;;",
        "",
        "application/problem+json; charset=utf-8",
    ],
)
def test_json_in_utf8_is_accepted_however_it_is_declared(
    http: TestHTTPClient, content_type: str
) -> None:
    assert create(http, content_type=content_type).status_code == 201


@pytest.mark.parametrize(
    ("content_type", "charset"),
    [
        ("application/json; charset=iso-8859-1", "iso-8859-1"),
        ('application/json; CHARSET="Windows-1252"', "windows-1252"),
        ("application/json;charset=utf-16", "utf-16"),
        ("application/json; charset=utf-8; charset=latin1", "latin1"),
        ('application/json; charset=""', ""),
        ("application/a+json; charset=utf-7", "utf-7"),
    ],
)
def test_another_charset_is_refused_by_name(
    http: TestHTTPClient, content_type: str, charset: str
) -> None:
    details = check_error(create(http, content_type=content_type), 415)
    assert details["error"] == f"the charset {charset} is not UTF-8"
    assert "UTF-8" in details["suggestion"]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset",
        "application/json; charset=",
        'application/json; charset="utf-8',
        "application/json; charset = utf-8",
        "application/json charset=utf-8",
        "application/json, application/json",
        "application",
        "/json",
    ],
)
def test_a_malformed_content_type_is_refused(http: TestHTTPClient, content_type: str) -> None:
    details = check_error(create(http, content_type=content_type), 415)
    assert details["error"] == f"the Content-Type {content_type} is malformed"


@pytest.mark.parametrize("part", ["; ", ";  a", ";a=b", '; a="\\', " \t"])
def test_a_long_content_type_is_read_in_linear_time(http: TestHTTPClient, part: str) -> None:
    began = time.perf_counter()
    create(http, content_type=f"application/json{part * 3_000}=")
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize("content_type", ["text/plain", "application/json; charset=latin1", "x"])
@pytest.mark.parametrize("body", [b"", b" \r\n\t"])
def test_the_headers_of_an_empty_body_do_not_matter(
    http: TestHTTPClient, content_type: str, body: bytes
) -> None:
    response = create(http, body, content_type=content_type, content_encoding="gzip")
    needed = "the body is empty; it needs name, description, prompt_template"
    assert check_error(response, 400)["error"] == needed


@pytest.mark.parametrize("coding", ["gzip", "br", "identity", "GZIP, deflate", ""])
def test_a_body_that_arrives_as_json_is_served_whatever_its_coding(
    http: TestHTTPClient, coding: str
) -> None:
    assert create(http, content_encoding=coding).status_code == 201


@pytest.mark.parametrize("body", [b"{", b"[]", '{"name":"caf\ufffd"}'.encode(), b"nonsense"])
def test_what_is_wrong_with_json_is_said_whatever_its_coding(
    http: TestHTTPClient, body: bytes
) -> None:
    check_error(create(http, body, content_encoding="gzip"), 400)


# How API Gateway passes on what it has not decompressed: with U+FFFD where it is not UTF-8.
@pytest.mark.parametrize(
    "body",
    [b"\x1f\x8b\x08\x00 {}", b"x\x9c\xabV*", b"(\xb5/\xfd\x04X", b"[\x00\x80\xaa\xaa", b"\x0b\x02"],
)
def test_a_body_that_arrives_compressed_is_refused(http: TestHTTPClient, body: bytes) -> None:
    mangled = body.decode(errors="replace").encode()
    for coding in ("gzip", "x-any"):
        details = check_error(create(http, mangled, content_encoding=coding), 415)
        assert details["error"] == f"the body is compressed (Content-Encoding: {coding})"
        assert "uncompressed" in details["suggestion"]
    for headers in ({}, {"content_encoding": "identity"}):
        check_error(create(http, mangled, **headers), 415 if body.startswith(b"\x1f") else 400)
