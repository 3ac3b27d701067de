"""The daily limit of a key is exact; a repeated request gets its job even at the limit."""

import pytest
from pynamodb.exceptions import UpdateError

from chalicelib.errors import IdempotencyConflict, Overloaded, TooManyRequests, Unanswered
from chalicelib.models import table
from chalicelib.models.jobs.job import Job
from chalicelib.models.keys.allowance import Work
from tests.models import allowances
from tests.models.allowances import allowance_of
from tests.models.failing_dynamodb import lost_answer, refused
from tests.services.fakes import Parts
from tests.virtual.dynamodb import conflict, error


def counted(parts: Parts, key_id: str = "k") -> int:
    return allowances.counted(key_id, parts.clock())


def stored() -> int:
    return len(list(Job.scan(Job.status.exists())))


def test_a_request_at_the_limit_gets_the_job_of_a_concurrent_request_with_its_key(
    parts: Parts,
) -> None:
    # The twin has counted its image, and its job is about to be stored.
    allowance_of("k", 1).take(Work(1, 1), now=parts.clock())
    twin: list[Job] = []

    def store_the_twin(seconds: float) -> None:
        parts.clock.advance(seconds)
        if not twin and seconds >= 0.3:
            twin.extend(Parts(clock=parts.clock).submit(wait_seconds=0, key="same"))

    parts.submission._pause = store_the_twin
    [job] = parts.submit(wait_seconds=0, key="same", allowance=allowance_of("k", 1))
    assert job.id == twin[0].id
    assert (stored(), counted(parts)) == (1, 1)


def test_a_request_over_the_limit_is_refused_after_looking_for_its_job_for_a_second(
    parts: Parts,
) -> None:
    began, allowance = parts.clock(), allowance_of("k", 1)
    allowance.take(Work(1, 1), now=began)
    with pytest.raises(TooManyRequests):
        parts.submit(wait_seconds=0, key="same", allowance=allowance)
    assert parts.clock() - began == pytest.approx(1)
    with pytest.raises(TooManyRequests):
        parts.submit(wait_seconds=0, allowance=allowance)
    assert parts.clock() - began == pytest.approx(1), "without a key there is nothing to look for"


def test_a_request_that_another_with_its_key_overtakes_gives_its_images_back(parts: Parts) -> None:
    twin: list[Job] = []
    check = parts.inventory.check

    def submit_the_twin() -> None:
        parts.inventory.check = check
        twin.extend(parts.submit(wait_seconds=0, key="same", allowance=allowance_of("k", 9)))

    parts.inventory.check = submit_the_twin  # after the first request has looked for its key
    [job] = parts.submit(wait_seconds=0, key="same", allowance=allowance_of("k", 9))
    assert job.id == twin[0].id
    assert (stored(), counted(parts)) == (1, 1)


def test_an_idempotency_conflict_gives_the_images_back(parts: Parts) -> None:
    check = parts.inventory.check

    def use_the_key() -> None:
        parts.inventory.check = check
        parts.submit(wait_seconds=0, key="same", allowance=allowance_of("k", 9))

    parts.inventory.check = use_the_key
    other = {"key": "same", "fingerprint": "another", "allowance": allowance_of("k", 9)}
    with pytest.raises(IdempotencyConflict):
        parts.submit(wait_seconds=0, **other)
    assert (stored(), counted(parts)) == (1, 1)


def test_images_stay_counted_once_if_dynamodb_does_not_answer(parts: Parts) -> None:
    with lost_answer("work:k"), pytest.raises(Unanswered):
        parts.submit(wait_seconds=0, allowance=allowance_of("k", 2))
    assert (stored(), counted(parts)) == (0, 1)
    parts.submit(wait_seconds=0, allowance=allowance_of("k", 2))
    with pytest.raises(TooManyRequests):
        parts.submit(wait_seconds=0, allowance=allowance_of("k", 2))


def test_images_are_given_back_once_if_dynamodb_does_not_answer(parts: Parts) -> None:
    allowance = allowance_of("k", 3)
    allowance.take(Work(3, 1), now=parts.clock())
    with lost_answer("work:k"):
        allowance.give_back(Work(1, 1), now=parts.clock())
    assert counted(parts) == 2


@pytest.mark.parametrize("key", [None, "same"])
def test_a_request_whose_jobs_dynamodb_does_not_store_counts_no_images(
    parts: Parts, key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "sleep", parts.clock.advance)
    wanted = {"wait_seconds": 0, "key": key, "allowance": allowance_of("k", 1)}
    refusals = {
        None: ("PutItem", conflict("PutItem", 1)),
        "same": ("TransactWriteItems", conflict("TransactWriteItems", 2)),
    }
    with refused(*refusals[key], times=99), pytest.raises(Overloaded):
        parts.submit(**wanted)
    assert (stored(), counted(parts)) == (0, 0)
    parts.submit(**wanted)


def test_a_request_that_gets_no_virtual_start_time_counts_no_images(parts: Parts) -> None:
    with (
        refused("caller:", error("AccessDeniedException", "UpdateItem")),
        pytest.raises(UpdateError),
    ):
        parts.submit(wait_seconds=0, allowance=allowance_of("k", 1))
    assert (stored(), counted(parts)) == (0, 0)


def test_a_repeated_request_counts_its_images_once(parts: Parts) -> None:
    wanted = {"wait_seconds": 0, "key": "same", "allowance": allowance_of("k", 1)}
    ids = {parts.submit(**wanted)[0].id for _ in range(3)}
    assert (len(ids), counted(parts)) == (1, 1)
