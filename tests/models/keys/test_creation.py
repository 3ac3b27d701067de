"""New API keys: what their ids promise."""

import pytest

from chalicelib.models.keys import creation
from chalicelib.models.keys.api_key import ApiKey, parts
from infra.keys import create
from tests.models.failing_dynamodb import lost_answer


def key_of(token: str) -> ApiKey:
    return ApiKey.get(parts(token)[0])


@pytest.mark.parametrize("scopes", [("admin",), ("read", "admin")])
def test_the_id_of_an_admins_key_begins_with_admin(aws: None, scopes: tuple[str, ...]) -> None:
    key = key_of(create("ada", scopes=scopes))
    assert key.id.startswith("admin")
    assert len(key.id) == 12
    assert key.granted == list(scopes)


def test_the_id_of_another_key_never_begins_with_admin(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = iter("adminabcdefg" + "shopsinspace")
    monkeypatch.setattr(creation, "choice", lambda _: next(letters))
    assert parts(create("shop"))[0] == "shopsinspace"


@pytest.mark.parametrize("key_id", ["abcdefghijkl", "xadminadmin1"])
def test_a_stored_admin_scope_counts_for_nothing_without_such_an_id(key_id: str) -> None:
    assert ApiKey(key_id, scopes=["read", "admin"]).granted == ["read"]


def test_a_key_whose_creation_is_sent_twice_is_stored_once_and_works(aws: None) -> None:
    with lost_answer("PutItem"):
        token = create("shop")
    assert [key.id for key in ApiKey.scan()] == [parts(token)[0]]
    assert ApiKey.admit(token, now=0).owner == "shop"
