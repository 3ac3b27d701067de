"""The snapshot of the queue that polls read: its ranks are exact, and its newest writer wins."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.models.jobs.queue import MOST_COUNTED, Waiting
from chalicelib.models.jobs.queue_snapshot import QueueSnapshot
from tests.models.failing_dynamodb import lost_answer

pytestmark = pytest.mark.usefixtures("aws")

times = st.integers(0, 10**15 - 1) | st.integers(1_800_000_000_000, 1_800_000_000_100)
ids = st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=1, max_size=26)
sort_keys = st.builds("{:015d}#{}".format, times, ids)


def waiting(keys: list[str]) -> list[Waiting]:
    return [Waiting(key.partition("#")[2], key, None) for key in keys]


def keys_of(count: int, *, begin: int = 5_000) -> list[str]:
    return [f"{begin + number:015d}#{number:026d}" for number in range(count)]


def store(keys: list[str], length: int | None = None, *, now: float = 1000.0) -> QueueSnapshot:
    snapshot = QueueSnapshot.read()
    head = waiting(keys[: MOST_COUNTED + 1])
    snapshot.replace_keys(head, len(keys) if length is None else length, now=now, writer="a")
    return QueueSnapshot.read()


@settings(max_examples=60)
@given(keys=st.lists(sort_keys, unique=True, max_size=MOST_COUNTED))
def test_ranks_are_exact_for_any_sort_keys(keys: list[str]) -> None:
    keys.sort()
    snapshot = store(keys)
    assert [snapshot.rank(key) for key in keys] == list(range(len(keys)))
    # Right after each key comes the next rank: none of them is stored as another one.
    assert [snapshot.rank(f"{key}!") for key in keys] == list(range(1, len(keys) + 1))


def test_a_hundred_usual_sort_keys_take_less_than_four_kilobytes() -> None:
    """So that a poll reads one unit of DynamoDB's capacity."""
    keys = [f"{1_800_000_000_000 + 6 * number:015d}#{number:026d}" for number in range(100)]
    assert len(store(keys).keys) < 3_500


def test_a_job_that_comes_behind_all_others_has_the_last_rank() -> None:
    snapshot = store(keys_of(3))
    assert snapshot.rank(f"{9_999:015d}#x") == 3
    assert snapshot.rank(f"{0:015d}#x") == 0


def test_before_the_first_snapshot_all_ranks_are_zero() -> None:
    assert QueueSnapshot.read().rank(f"{5:015d}#x") == 0


@pytest.mark.parametrize(("count", "rank"), [(100, 100), (101, None), (5000, None)])
def test_a_rank_beyond_the_first_hundred_of_a_long_queue_is_not_known(
    count: int, rank: int | None
) -> None:
    snapshot = store(keys_of(count))
    assert snapshot.is_whole is (count <= MOST_COUNTED)
    assert snapshot.rank(keys_of(100)[-1]) == 99
    assert snapshot.rank(f"{99_999:015d}#x") == rank


def test_a_snapshot_without_news_of_the_gpus_keeps_what_is_known_of_them() -> None:
    known = {"served": 2, "reason": "waiting for a free slot", "pace_seconds": 8.5}
    QueueSnapshot.read().replace(waiting(keys_of(3)), 3, now=1000, writer="a", **known)
    found = store(keys_of(2), now=1001)
    assert (found.length, found.served, found.reason, found.pace_seconds) == (
        2,
        2,
        "waiting for a free slot",
        8.5,
    )


def test_what_is_no_longer_known_of_the_gpus_is_removed() -> None:
    QueueSnapshot.read().replace([], 0, now=1000, writer="a", waits_for="gpu_not_ready")
    QueueSnapshot.read().replace([], 0, now=1001, writer="a", waits_for=None)
    assert QueueSnapshot.read().waits_for is None


@pytest.mark.parametrize("before", [0, 1])
def test_the_second_of_two_concurrent_writers_changes_nothing(before: int) -> None:
    for _ in range(before):
        store(keys_of(9), now=990)
    first, second = QueueSnapshot.read(), QueueSnapshot.read()
    assert first.replace_keys(waiting(keys_of(5)), 5, now=1000, writer="a")
    assert not second.replace(waiting(keys_of(3)), 3, now=1000.5, writer="b", served=9)
    found = QueueSnapshot.read()
    assert (found.length, found.writer, found.made_at, found.served) == (5, "a", 1000, 0)
    assert second.replace_keys(waiting(keys_of(3)), 3, now=1002, writer="b") is False
    assert found.replace_keys(waiting(keys_of(3)), 3, now=1002, writer="b")


def test_a_write_that_is_applied_twice_stores_its_snapshot() -> None:
    with lost_answer("UpdateItem"):
        store(keys_of(4), now=1000)
    found = QueueSnapshot.read()
    assert (found.length, found.rank(keys_of(4)[3]), found.made_at) == (4, 3, 1000)
