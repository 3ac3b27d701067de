"""Changes of API keys, and revoking them, when answers are lost and others write."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from chalicelib.errors import NotFound, Overloaded, Unanswered
from chalicelib.models import table
from chalicelib.models.keys.api_key import ACTIVE, EXPIRED, REVOKED, ApiKey, parts
from infra.keys import create
from tests.models.failing_dynamodb import lost_answer, refused
from tests.virtual.dynamodb import error


@pytest.fixture
def key_id(aws: None) -> str:
    return parts(create("shop"))[0]


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "sleep", lambda _: None)


def test_a_change_sets_what_is_given_and_reads_the_rest(key_id: str) -> None:
    key = ApiKey(key_id)
    assert key.change(images_per_day=7)
    assert (key.images_per_day, key.requests_per_minute, key.owner) == (7, 3000, "shop")


def test_two_changes_at_once_keep_one_anothers_fields(key_id: str) -> None:
    def another() -> None:
        assert ApiKey(key_id).change(requests_per_minute=5)

    with lost_answer("UpdateItem", meanwhile=another):
        assert ApiKey(key_id).change(images_per_day=7)
    stored = ApiKey.get(key_id)
    assert (stored.images_per_day, stored.requests_per_minute) == (7, 5)


def test_a_key_without_an_end_has_no_attribute_for_it(key_id: str) -> None:
    assert ApiKey(key_id).change(expires_at=5.0)
    assert ApiKey.get(key_id).state(now=5.0) == EXPIRED
    assert ApiKey(key_id).change(expires_at=None)
    assert ApiKey.get(key_id).state(now=1e12) == ACTIVE


def test_a_revoked_key_stays_as_it_is(key_id: str) -> None:
    assert ApiKey(key_id).revoke(now=1.0, by="admin1234567")
    assert not ApiKey(key_id).change(images_per_day=7)
    assert not ApiKey(key_id).revoke(now=2.0, by="adminabcdefg")
    stored = ApiKey.get(key_id)
    assert (stored.images_per_day, stored.revoked_at, stored.revoked_by) == (
        1000,
        1,
        "admin1234567",
    )
    assert stored.state(now=0) == REVOKED


@pytest.mark.parametrize("by", [None, "admin1234567"])
def test_a_revocation_whose_answer_is_lost_is_done_once_and_reported_as_done(
    key_id: str, by: str | None
) -> None:
    with lost_answer("UpdateItem"):
        assert ApiKey(key_id).revoke(now=1.0, by=by)
    assert ApiKey.get(key_id).revoked_by == by


@pytest.mark.parametrize("first", [None, "adminabcdefg"])
def test_of_two_revocations_at_the_same_moment_the_first_is_remembered(
    key_id: str, first: str | None
) -> None:
    assert ApiKey(key_id).revoke(now=1.0, by=first)
    for other in {None, "admin1234567"} - {first}:
        assert not ApiKey(key_id).revoke(now=1.0, by=other)
    assert ApiKey.get(key_id).revoked_by == first


def test_changing_and_revoking_make_no_key(aws: None) -> None:
    assert not ApiKey("abcdefghijkl").change(images_per_day=7)
    assert not ApiKey("abcdefghijkl").revoke(now=1.0)
    assert [*ApiKey.scan()] == []


@pytest.mark.parametrize("key_id", ["abcdefghijkl", "", "x", "A" * 12, "abcdefghijkl\n", "é" * 12])
def test_an_id_that_no_key_has_is_not_found(aws: None, key_id: str) -> None:
    with pytest.raises(NotFound):
        ApiKey.find(key_id)


@contextmanager
def throttled() -> Iterator[None]:
    with refused("UpdateItem", error("ThrottlingException", "UpdateItem"), times=50):
        yield


WRITES = [lambda key: key.change(images_per_day=7), lambda key: key.revoke(now=1.0)]


@pytest.mark.usefixtures("no_pause")
@pytest.mark.parametrize("write", WRITES)
def test_a_throttled_write_is_overloaded_and_changes_nothing(
    key_id: str, write: Callable[[ApiKey], bool]
) -> None:
    with throttled(), pytest.raises(Overloaded):
        write(ApiKey(key_id))
    stored = ApiKey.get(key_id)
    assert (stored.images_per_day, stored.revoked_at) == (1000, None)


@pytest.mark.parametrize("write", WRITES)
def test_a_write_without_an_answer_is_unanswered(
    key_id: str, write: Callable[[ApiKey], bool]
) -> None:
    lost = error("InternalServerError", "UpdateItem")
    with refused("UpdateItem", lost, times=50), pytest.raises(Unanswered):
        write(ApiKey(key_id))
