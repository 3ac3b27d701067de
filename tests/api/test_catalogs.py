"""The four catalogs: create, read, list, replace, delete."""

import msgspec
from chalice.test import TestHTTPClient

from chalicelib.api.catalogs import Kind
from chalicelib.models.catalogs.catalog import FORMATS
from chalicelib.schemas.answers.catalogs import StoredFormat
from chalicelib.schemas.catalogs import Format
from tests.api.calls import send
from tests.api.contract import check_cors, check_error
from tests.api.samples import Body, Sample, each_catalog

NOT_NUMBERS = ["abc", "-1", "+1", "1e3", "1.0", "²", "٣", "%00", "seeded", "last"]
INVALID_IDS = [*NOT_NUMBERS, "0", "9" * 13, "9" * 40, "9" * 2000, "9" * 5000]
UNUSED_ID = 999_999


def create(http: TestHTTPClient, sample: Sample, body: Body) -> int:
    response = send(http, "POST", sample.path, body)
    assert response.status_code == 201, response.body
    item_id = response.json_body["id"]
    assert type(item_id) is int
    return item_id


@each_catalog
def test_a_created_item_has_exactly_the_keys_of_the_spec(
    http: TestHTTPClient, sample: Sample
) -> None:
    response = send(http, "POST", sample.path, sample.body)
    assert response.status_code == 201
    assert list(response.json_body) == ["id", *sample.body]
    assert response.json_body == {"id": response.json_body["id"], **sample.body}
    assert type(response.json_body["id"]) is int
    check_cors(response.headers)


@each_catalog
def test_an_item_is_read_as_it_was_created(http: TestHTTPClient, sample: Sample) -> None:
    item_id = create(http, sample, sample.body)
    create(http, sample, sample.other)
    response = http.get(f"{sample.path}/{item_id}")
    assert response.status_code == 200
    assert response.json_body == {"id": item_id, **sample.body}


@each_catalog
def test_a_list_is_a_plain_array_of_items_in_id_order(http: TestHTTPClient, sample: Sample) -> None:
    created = [create(http, sample, sample.numbered(number)) for number in range(12)]
    response = http.get(sample.path)
    assert response.status_code == 200
    ids = [item["id"] for item in response.json_body]
    assert ids == sorted(set(ids))
    assert ids[-12:] == created
    assert all(list(item) == ["id", *sample.body] for item in response.json_body)
    assert response.json_body[-1] == {"id": created[-1], **sample.numbered(11)}


@each_catalog
def test_an_update_replaces_all_fields(http: TestHTTPClient, sample: Sample) -> None:
    item_id = create(http, sample, sample.body)
    response = send(http, "PUT", f"{sample.path}/{item_id}", sample.other)
    assert response.status_code == 200
    assert response.json_body == {"id": item_id, **sample.other}
    assert http.get(f"{sample.path}/{item_id}").json_body == response.json_body


@each_catalog
def test_an_update_changes_no_other_item(http: TestHTTPClient, sample: Sample) -> None:
    before = http.get(sample.path).json_body
    item_id = create(http, sample, sample.body)
    send(http, "PUT", f"{sample.path}/{item_id}", sample.other)
    assert http.get(sample.path).json_body == [*before, {"id": item_id, **sample.other}]


@each_catalog
def test_an_update_without_a_field_is_refused_and_changes_nothing(
    http: TestHTTPClient, sample: Sample
) -> None:
    item_id = create(http, sample, sample.body)
    for field in sample.other:
        partial = {name: value for name, value in sample.other.items() if name != field}
        check_error(send(http, "PUT", f"{sample.path}/{item_id}", partial), 400, field)
    assert http.get(f"{sample.path}/{item_id}").json_body == {"id": item_id, **sample.body}


@each_catalog
def test_a_deleted_item_returns_404_and_is_not_listed(http: TestHTTPClient, sample: Sample) -> None:
    before = http.get(sample.path).json_body
    item_id = create(http, sample, sample.body)
    response = http.delete(f"{sample.path}/{item_id}")
    assert response.status_code == 200
    assert response.json_body == {"status": "success"}
    check_error(http.get(f"{sample.path}/{item_id}"), 404)
    check_error(http.delete(f"{sample.path}/{item_id}"), 404)
    assert http.get(sample.path).json_body == before


@each_catalog
def test_an_unused_id_returns_404_for_every_method(http: TestHTTPClient, sample: Sample) -> None:
    path = f"{sample.path}/{UNUSED_ID}"
    for method, body in (("GET", None), ("PUT", sample.body), ("DELETE", None)):
        response = send(http, method, path, body)
        assert str(UNUSED_ID) in check_error(response, 404)["error"]
        assert response.json_body["message"] == f"{sample.noun} not found"
    assert UNUSED_ID not in [item["id"] for item in http.get(sample.path).json_body]


@each_catalog
def test_an_invalid_id_returns_404(http: TestHTTPClient, sample: Sample) -> None:
    for text in INVALID_IDS:
        for method, body in (("GET", None), ("PUT", sample.body), ("DELETE", None)):
            response = send(http, method, f"{sample.path}/{text}", body)
            check_error(response, 404)
            assert response.json_body["message"] == f"{sample.noun} not found"


@each_catalog
def test_ids_ascend_and_are_never_reused(http: TestHTTPClient, sample: Sample) -> None:
    used = [item["id"] for item in http.get(sample.path).json_body]
    for _ in range(3):
        item_id = create(http, sample, sample.body)
        assert item_id > max(used)
        used.append(item_id)
        http.delete(f"{sample.path}/{item_id}")


@each_catalog
def test_a_refused_item_is_not_stored(http: TestHTTPClient, sample: Sample) -> None:
    before = http.get(sample.path).json_body
    check_error(send(http, "POST", sample.path, {**sample.body, "color": "red"}), 400, "color")
    assert http.get(sample.path).json_body == before


def test_each_catalog_lists_only_its_own_items(http: TestHTTPClient) -> None:
    from_each = {}
    for path in ("styles", "formats", "settings", "prompt_examples"):
        items = http.get(f"/api/images/{path}").json_body
        from_each[path] = {frozenset(item) for item in items}
    assert len(set.union(*from_each.values())) == len(from_each)


class Colored(Format, kw_only=True):
    """The body of a later release, with two fields more."""

    color: str = "any"
    tags: list[str] = msgspec.field(default_factory=list)


class StoredColored(StoredFormat, kw_only=True):
    color: str
    tags: list[str]


def test_an_item_stored_before_a_field_existed_shows_the_default_of_the_field() -> None:
    body = {"name": "Card", "description": "", "width": 64, "height": 64}
    shown = Kind(FORMATS, Colored, StoredColored, {}).shown(7, body)
    assert shown == StoredColored(id=7, **body, color="any", tags=[])
