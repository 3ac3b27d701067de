"""The write that accepts a request stores all of its jobs or none, and once for each key."""

import pytest

from chalicelib.errors import IdempotencyConflict
from chalicelib.models.jobs.acceptance import accept, replay
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.listing import newest
from tests.models.failing_dynamodb import lost_answer


def jobs(*ids: str) -> list[Job]:
    return [Job.new(job_id, now=1.0, due_at=1.0, parameters={}) for job_id in ids]


def test_all_jobs_of_a_request_are_stored(aws: None) -> None:
    accept(jobs("a", "b", "c"), None, "f", now=1.0)
    assert [*newest(10)] == ["c", "b", "a"]


def test_only_one_of_two_concurrent_requests_with_the_same_key_is_stored(aws: None) -> None:
    accept(jobs("a"), "key", "f", now=1.0)
    # The second request looked for the key before the first had written it.
    assert [job.id for job in accept(jobs("b"), "key", "f", now=1.0)] == ["a"]
    assert [*newest(10)] == ["a"]


def test_a_concurrent_request_with_the_same_key_and_another_body_is_a_conflict(aws: None) -> None:
    accept(jobs("a"), "key", "f", now=1.0)
    with pytest.raises(IdempotencyConflict):
        accept(jobs("b"), "key", "g", now=1.0)
    assert [*newest(10)] == ["a"]


def test_a_request_with_a_new_key_is_not_a_replay(aws: None) -> None:
    assert replay("nobody", "key", "f", now=1.0) is None


def test_idempotency_keys_are_not_listed_as_jobs(aws: None) -> None:
    accept(jobs("a"), "key", "f", now=1.0)
    assert len([*newest(10)]) == 1


def test_a_retried_creation_does_not_reopen_a_job_that_has_ended(aws: None) -> None:
    [job] = jobs("a")
    job.parameters_item.store()

    def finish() -> None:
        other = Job.find("a")
        other.claim("driver", now=1.0, until=60.0)
        other.succeed([], now=2.0)

    with lost_answer("status_shard", meanwhile=finish) as client:
        assert accept([job], None, "f", now=1.0) == [job]
    assert client.calls.count("PutItem") == 1, "the retry is botocore's"
    assert Job.find("a").status == "succeeded"


def test_a_retried_creation_of_several_jobs_does_not_overwrite_them(aws: None) -> None:
    made = jobs("a", "b")
    with lost_answer("TransactWriteItems", meanwhile=lambda: Job.find("a").cancel({}, now=2.0)):
        assert accept(made, None, "f", now=1.0) is made
    assert [Job.find(each.id).status for each in made] == ["canceled", "queued"]


def test_a_retried_creation_is_not_taken_for_another_request_with_the_same_key(aws: None) -> None:
    made = jobs("a")
    with lost_answer("TransactWriteItems"):
        assert accept(made, "key", "f", now=1.0) is made
    assert [job.id for job in replay("nobody", "key", "f", now=1.0) or ()] == ["a"]


def test_an_idempotency_key_is_free_again_when_its_jobs_have_expired(aws: None) -> None:
    [old] = accept(jobs("a"), "key", "f", now=1.0)
    later = float(old.expires_at)
    assert replay("nobody", "key", "another", now=later) is None
    [new] = accept(jobs("b"), "key", "another", now=later)
    assert new.id == "b"
    with pytest.raises(IdempotencyConflict):
        accept(jobs("c"), "key", "f", now=later - 1)
