"""The list of API keys."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.models.keys.creation import NewKey
from chalicelib.models.keys.listing import newest
from tests.conftest import empty_aws
from tests.environment import RESOURCES

NEW = NewKey(
    name="a",
    owner="a",
    scopes=("read",),
    days=None,
    requests_per_minute=1,
    images_per_day=1,
    megapixel_steps_per_day=1,
)


def made_at(*times: float) -> list[str]:
    return [NEW.create(now=each)[0].id for each in times]


def paged(size: int) -> list[list[str]]:
    """Return the ids of each page, following the list to its end."""
    pages, before, more = [], None, True
    while more:
        keys, more = newest(size, before=before)
        pages.append([key.id for key in keys])
        before = keys[-1].sort_key if keys else None
    return pages


@given(
    times=st.lists(st.integers(0, 9).map(lambda tenths: 1e9 + tenths / 10), max_size=8),
    size=st.integers(1, 4),
)
def test_pages_have_each_key_once_and_the_newest_first(times: list[float], size: int) -> None:
    with empty_aws():
        made = dict(zip(made_at(*times), times, strict=True))
        listed = [made[each] for page in paged(size) for each in page]
        assert sorted(times) == sorted(listed)
        assert all(newer >= older for newer, older in pairwise(listed))


def test_keys_of_the_same_moment_are_each_on_one_page(aws: None) -> None:
    ids = made_at(5.0, 5.0, 5.0)
    pages = paged(2)
    assert [len(page) for page in pages] == [2, 1]
    assert {each for page in pages for each in page} == set(ids)


def test_there_is_no_page_after_the_last_full_one(aws: None) -> None:
    made_at(1.0, 2.0)
    assert [len(page) for page in paged(2)] == [2]


def test_without_keys_the_list_is_empty(aws: None) -> None:
    assert newest(50) == ([], False)


def test_the_index_has_only_keys_so_that_counting_requests_does_not_write_it() -> None:
    [index] = RESOURCES["Resources"]["KeysTable"]["Properties"]["GlobalSecondaryIndexes"]
    assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}
    parts = {each["AttributeName"] for each in index["KeySchema"]}
    assert parts.isdisjoint({"window", "requests"})
