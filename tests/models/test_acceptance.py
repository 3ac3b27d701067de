"""The write that accepts a request: all or nothing, and one winner for each key."""

import pytest

from chalicelib.errors import IdempotencyConflict
from chalicelib.models.acceptance import accept, replay
from chalicelib.models.job import Job
from chalicelib.models.job_listing import newest


def jobs(*ids: str) -> list[Job]:
    return [Job.new(job_id, now=1.0, due_at=1.0, parameters={}) for job_id in ids]


def test_all_jobs_of_a_request_are_stored(aws: None) -> None:
    accept(jobs("a", "b", "c"), None, "f")
    assert [job.id for job in newest(10)] == ["c", "b", "a"]


def test_of_two_requests_that_race_with_one_key_one_is_stored(aws: None) -> None:
    accept(jobs("a"), "key", "f")
    # The second looked for the key before the first had written it.
    assert [job.id for job in accept(jobs("b"), "key", "f")] == ["a"]
    assert [job.id for job in newest(10)] == ["a"]


def test_a_race_with_another_body_is_a_conflict_and_stores_nothing(aws: None) -> None:
    accept(jobs("a"), "key", "f")
    with pytest.raises(IdempotencyConflict):
        accept(jobs("b"), "key", "g")
    assert [job.id for job in newest(10)] == ["a"]


def test_a_key_that_was_never_used_is_no_replay(aws: None) -> None:
    assert replay("nobody", "key", "f") is None


def test_keys_are_no_jobs(aws: None) -> None:
    accept(jobs("a"), "key", "f")
    assert len(newest(10)) == 1
