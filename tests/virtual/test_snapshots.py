"""What the tables in memory can do beyond DynamoDB: lags, snapshots, digests, and many items."""

import time

import pytest

from tests.virtual.contract.backends import TABLES
from tests.virtual.memory import Memory


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def tables(**given: object) -> Memory:
    memory = Memory(**given)  # type: ignore[arg-type]
    memory.ask("CreateTable", TABLES[0])
    return memory


def put(memory: Memory, id_: str, rank: str = "1") -> None:
    item = {"id": {"S": id_}, "queue": {"S": "q"}, "rank": {"S": rank}}
    memory.ask("PutItem", {"TableName": "things", "Item": item})


def queued(memory: Memory, **more: object) -> list[str]:
    wanted = {
        "TableName": "things",
        "IndexName": "by_queue",
        "KeyConditionExpression": "#0 = :0",
        "ExpressionAttributeNames": {"#0": "queue"},
        "ExpressionAttributeValues": {":0": {"S": "q"}},
    }
    return [each["id"]["S"] for each in memory.ask("Query", wanted | more)["Items"]]


def test_an_index_shows_a_write_after_its_lag() -> None:
    clock = Clock()
    memory = tables(clock=clock, lag=lambda: 3.0)
    put(memory, "a")
    clock.now = 2.9
    assert queued(memory) == []
    clock.now = 3.0
    assert queued(memory) == ["a"]


def test_an_index_never_shows_an_earlier_write_of_an_item_after_a_later_one() -> None:
    clock, lags = Clock(), iter([3.0, 0.0])
    memory = tables(clock=clock, lag=lambda: next(lags))
    put(memory, "a")
    memory.ask("DeleteItem", {"TableName": "things", "Key": {"id": {"S": "a"}}})
    for clock.now in (0.0, 3.0, 6.0):
        assert queued(memory) == []


def test_a_snapshot_can_be_restored_again_and_again() -> None:
    memory = tables()
    put(memory, "a")
    saved, before = memory.copy(), memory.digest()
    for _ in range(2):
        put(memory, "b", rank="2")
        assert (queued(memory), memory.digest() == before) == (["a", "b"], False)
        memory.restore(saved)
        assert (queued(memory), memory.digest() == before) == (["a"], True)


def test_a_snapshot_contains_what_an_index_does_not_show_yet() -> None:
    clock = Clock()
    memory = tables(clock=clock, lag=lambda: 3.0)
    put(memory, "a")
    saved = memory.copy()
    clock.now = 3.0
    assert queued(memory) == ["a"]
    clock.now = 0.0
    memory.restore(saved)
    assert queued(memory) == []


def test_a_digest_is_that_of_the_items_however_they_came_about() -> None:
    one, other = tables(), tables()
    put(one, "a")
    put(one, "b")
    put(other, "b")
    put(other, "a", rank="2")
    assert one.digest() != other.digest()
    put(other, "a")
    assert one.digest() == other.digest() == "2ddd8accc9eec7af85bca16307adfcde"


def test_the_head_of_an_index_with_many_items_costs_no_more_than_with_few() -> None:
    few, many = tables(), tables()
    for number in range(20_000):
        put(many, f"{number:06d}", rank=f"{number * 7919 % 20_000:06d}")
    for number in range(50):
        put(few, f"{number:06d}", rank=f"{number:06d}")
    assert queued(many, Limit=20)[0] == "000000"
    assert seconds_of(many) < 10 * seconds_of(few) + 0.01


def seconds_of(memory: Memory) -> float:
    """Return the processor time of reading the head of the queue."""
    began = time.process_time()
    for _ in range(50):
        queued(memory, Limit=20)
    return time.process_time() - began


def test_a_parameter_that_is_not_modelled_is_not_ignored() -> None:
    with pytest.raises(NotImplementedError):
        tables().ask("Scan", {"TableName": "things", "TotalSegments": 2})
