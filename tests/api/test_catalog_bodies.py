"""The values that each field of a catalog accepts and refuses."""

from chalice.test import TestHTTPClient
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.calls import send
from tests.api.contract import check_error
from tests.api.samples import Sample, each_catalog

LONGEST = {
    "name": 200,
    "title": 200,
    "category": 200,
    "description": 2_000,
    "value": 10_000,
    "prompt": 10_000,
    "prompt_template": 10_000,
}
MAY_BE_EMPTY = ("description", "value")
TEXTS = [
    "👩‍🚀 flies 🏴‍☠️",
    "שלום עולם",
    "مرحبا\u200f بالعالم",
    "e\u0301 is not é",
    "\u2028line\u2029paragraph",
    "\ufeffmarked\ud7ff\uffff",
    "𝕮𝖔𝖒𝖋𝖞 \U0010ffff",
    "\"quoted\" \\ 'back' </script> \x01\x7f",
    "  spaces stay \n\t",
]


def allowed(field: str) -> list[object]:
    if field in ("width", "height"):
        return [64, 512, 2048]
    longest = LONGEST[field]
    return ["x", "x" * longest, "😀" * longest, *(["", " \n"] if field in MAY_BE_EMPTY else [])]


def refused(field: str) -> list[object]:
    if field in ("width", "height"):
        return [56, 63, 65, 516, 2049, 2056, 0, -64, 2**70]
    return ["x" * (LONGEST[field] + 1), *([] if field in MAY_BE_EMPTY else ["", " \n"])]


nonblank_texts = st.text(min_size=1, max_size=100).filter(
    lambda text: "\0" not in text and any(each.isalnum() for each in text)
)


@each_catalog
def test_a_missing_field_is_named(http: TestHTTPClient, sample: Sample) -> None:
    for field in sample.body:
        body = {name: value for name, value in sample.body.items() if name != field}
        details = check_error(send(http, "POST", sample.path, body), 400, field)
        assert details["error"] == f"{field} is required"


@each_catalog
def test_the_error_for_a_wrong_type_names_the_field(http: TestHTTPClient, sample: Sample) -> None:
    for field, right in sample.body.items():
        wrong = [7, 0.5] if field in sample.texts else ["512", 512.5]
        for value in (*wrong, None, True, [], {}, [right], {field: right}):
            response = send(http, "POST", sample.path, {**sample.body, field: value})
            assert check_error(response, 400, field)["error"].startswith(f"{field} must be ")


@each_catalog
def test_a_field_is_accepted_up_to_its_limits(http: TestHTTPClient, sample: Sample) -> None:
    for field in sample.body:
        for value in allowed(field):
            response = send(http, "POST", sample.path, {**sample.body, field: value})
            assert response.status_code == 201, (value, response.body)
            assert response.json_body[field] == value
            http.delete(f"{sample.path}/{response.json_body['id']}")


@each_catalog
def test_a_field_is_refused_beyond_its_limits(http: TestHTTPClient, sample: Sample) -> None:
    for field in sample.body:
        for value in refused(field):
            body = {**sample.body, field: value}
            check_error(send(http, "POST", sample.path, body), 400, field)


@each_catalog
def test_a_text_with_nul_is_refused(http: TestHTTPClient, sample: Sample) -> None:
    for field in sample.texts:
        for text in ("\0", "a\0", "\0a", "a\n\0\nb"):
            check_error(send(http, "POST", sample.path, {**sample.body, field: text}), 400, field)


@each_catalog
def test_an_unknown_field_is_named_and_the_known_ones_are_listed(
    http: TestHTTPClient, sample: Sample
) -> None:
    for field in ("id", "Name", "promt", "__proto__", "é"):
        details = check_error(
            send(http, "POST", sample.path, {**sample.body, field: 1}), 400, field
        )
        assert all(known in details["suggestion"] for known in sample.body)


@each_catalog
def test_a_body_that_is_not_an_object_is_refused(http: TestHTTPClient, sample: Sample) -> None:
    for body in ([], [sample.body], "text", 1, True):
        assert "JSON object" in check_error(send(http, "POST", sample.path, body), 400)["error"]
    check_error(send(http, "POST", sample.path, b"null"), 400)


@each_catalog
def test_unicode_is_stored_unchanged(http: TestHTTPClient, sample: Sample) -> None:
    for text in TEXTS:
        body = {**sample.body, **dict.fromkeys(sample.texts, text)}
        created = send(http, "POST", sample.path, body).json_body
        assert created == {"id": created["id"], **body}
        assert http.get(f"{sample.path}/{created['id']}").json_body == created


def test_half_of_a_surrogate_pair_is_refused(http: TestHTTPClient) -> None:
    body = rb'{"name": "\ud83d", "description": "", "prompt_template": "x"}'
    check_error(send(http, "POST", "/api/images/styles", body), 400)


@settings(max_examples=50)
@given(name=nonblank_texts, template=nonblank_texts)
def test_any_text_is_stored_unchanged(http: TestHTTPClient, name: str, template: str) -> None:
    body = {"name": name, "description": template, "prompt_template": template}
    created = send(http, "POST", "/api/images/styles", body)
    assert created.status_code == 201, created.body
    read = http.get(f"/api/images/styles/{created.json_body['id']}").json_body
    assert read == {**body, "id": created.json_body["id"]}
