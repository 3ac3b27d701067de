"""Catalogs under concurrent changes, which tests of the API cannot produce."""

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.errors import InvalidRequest, NotFound, Overloaded
from chalicelib.models.catalogs.catalog import CATALOGS, SETTINGS, STYLES, begin_with, is_new
from chalicelib.models.catalogs.named import NamedCatalog

Fields = dict[str, Any]
FIRST: dict[str, list[Fields]] = {each.name: [{"name": "first"}] for each in CATALOGS}


class Interrupted(NamedCatalog, frozen=True):
    """Settings that other processes change after each of the first reads."""

    meanwhile: tuple[Callable[[], object], ...] = ()
    reads: list[int] = []

    def get(self, item_id: int) -> Fields:
        fields = super().get(item_id)
        self.reads.append(item_id)
        if len(self.reads) <= len(self.meanwhile):
            self.meanwhile[len(self.reads) - 1]()
        return fields


def interrupted_by(*meanwhile: Callable[[], object]) -> Interrupted:
    return Interrupted(SETTINGS.name, SETTINGS.noun, meanwhile)


def named(name: str, value: str = "1") -> Fields:
    return {"name": name, "value": value}


def names() -> list[str]:
    return [fields["name"] for _, fields in SETTINGS.items()]


def is_free(name: str) -> bool:
    """Return whether a name is free, by using it and freeing it again."""
    try:
        SETTINGS.delete(SETTINGS.create(named(name)))
    except InvalidRequest:
        return False
    return True


def test_the_later_of_two_concurrent_renames_wins_and_frees_the_other_names(aws: None) -> None:
    item_id = SETTINGS.create(named("a"))
    interrupted_by(lambda: SETTINGS.replace(item_id, named("b"))).replace(item_id, named("c"))
    assert names() == ["c"]
    assert [is_free(name) for name in "abc"] == [True, True, False]


def test_one_of_two_concurrent_renames_to_the_same_name_is_refused(aws: None) -> None:
    first, second = SETTINGS.create(named("a")), SETTINGS.create(named("b"))
    with pytest.raises(InvalidRequest) as refused:
        interrupted_by(lambda: SETTINGS.replace(first, named("c"))).replace(second, named("c"))
    assert refused.value.field == "name"
    assert names() == ["c", "b"]
    assert [is_free(name) for name in "abc"] == [True, False, False]


def test_two_concurrent_renames_of_one_setting_to_the_same_name_both_succeed(aws: None) -> None:
    item_id = SETTINGS.create(named("a"))
    interrupted_by(lambda: SETTINGS.replace(item_id, named("b"))).replace(item_id, named("b", "2"))
    assert SETTINGS.get(item_id) == named("b", "2")
    assert [is_free(name) for name in "ab"] == [True, False]


def test_a_setting_that_is_deleted_while_it_is_renamed_stays_deleted(aws: None) -> None:
    item_id = SETTINGS.create(named("a"))
    with pytest.raises(NotFound):
        interrupted_by(lambda: SETTINGS.delete(item_id)).replace(item_id, named("b"))
    assert names() == []
    assert [is_free(name) for name in "ab"] == [True, True]


def test_a_setting_that_is_renamed_while_it_is_deleted_frees_both_names(aws: None) -> None:
    item_id = SETTINGS.create(named("a"))
    interrupted_by(lambda: SETTINGS.replace(item_id, named("b"))).delete(item_id)
    assert names() == []
    assert [is_free(name) for name in "ab"] == [True, True]


def test_a_deletion_does_not_free_a_name_that_another_setting_took_meanwhile(aws: None) -> None:
    item_id = SETTINGS.create(named("a"))

    def meanwhile() -> None:
        SETTINGS.replace(item_id, named("b"))
        SETTINGS.create(named("a"))

    interrupted_by(meanwhile).delete(item_id)
    assert names() == ["a"]
    assert not is_free("a")


def test_the_later_of_two_concurrent_changes_of_a_value_wins(aws: None) -> None:
    item_id = SETTINGS.create(named("a"))
    interrupted_by(lambda: SETTINGS.replace(item_id, named("a", "2"))).replace(
        item_id, named("a", "3")
    )
    assert SETTINGS.get(item_id) == named("a", "3")


def test_an_update_with_the_old_name_undoes_a_concurrent_rename(aws: None) -> None:
    item_id = SETTINGS.create(named("a"))
    interrupted_by(lambda: SETTINGS.replace(item_id, named("b"))).replace(item_id, named("a", "2"))
    assert SETTINGS.get(item_id) == named("a", "2")
    assert [is_free(name) for name in "ab"] == [False, True]


def test_a_rename_fails_after_too_many_concurrent_renames(aws: None) -> None:
    item_id = SETTINGS.create(named("0"))
    others = [
        lambda number=number: SETTINGS.replace(item_id, named(str(number)))
        for number in range(1, 60)
    ]
    with pytest.raises(Overloaded, match="other requests are changing"):
        interrupted_by(*others).replace(item_id, named("mine"))
    assert is_free("mine")
    assert len(names()) == 1


def test_a_refused_item_leaves_a_gap_in_the_ids_and_nothing_else(aws: None) -> None:
    first = SETTINGS.create(named("a"))
    with pytest.raises(InvalidRequest):
        SETTINGS.create(named("a"))
    second = SETTINGS.create(named("b"))
    assert [item_id for item_id, _ in SETTINGS.items()] == [first, second]
    assert second == first + 2


def test_items_are_listed_in_the_numeric_order_of_their_ids(aws: None) -> None:
    begin_with({**FIRST, "styles": []}, now=1.0)
    ids = [STYLES.create({"name": str(number)}) for number in range(101)]
    assert [item_id for item_id, _ in STYLES.items()] == ids == list(range(1, 102))
    assert [item_id for item_id, _ in STYLES.items(after=99)] == [100, 101]


def test_only_one_of_two_processes_stores_the_first_items(aws: None) -> None:
    assert is_new()
    begin_with(FIRST, now=1.0)
    begin_with({name: [{"name": "second"}, {"name": "third"}] for name in FIRST}, now=1.0)
    assert not is_new()
    for catalog in CATALOGS:
        assert list(catalog.items()) == [(1, {"name": "first"})]
        assert catalog.create({"name": "next"}) == 2
