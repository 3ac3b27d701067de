"""What DynamoDB's errors mean, and which calls are retried."""

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from pynamodb.exceptions import PutError, UpdateError

from chalicelib.errors import Overloaded, Unanswered
from chalicelib.models import table
from chalicelib.models.catalogs.item import Entry
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.table import sent_once, transaction, was_refused
from tests.models.failing_dynamodb import lost_answer, refused
from tests.virtual.dynamodb import conflict, error

PAUSES = 7


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    pauses: list[float] = []
    monkeypatch.setattr(table, "sleep", pauses.append)
    return pauses


def answered(code: str) -> UpdateError:
    return UpdateError("no", ClientError({"Error": {"Code": code}}, "UpdateItem"))


def test_a_failed_condition_is_distinguished_from_other_errors() -> None:
    assert was_refused(answered("ConditionalCheckFailedException"))
    assert not was_refused(answered("ProvisionedThroughputExceededException"))


def test_a_read_timeout_is_not_a_failed_condition() -> None:
    assert not was_refused(UpdateError("no", ReadTimeoutError(endpoint_url="https://dynamodb")))


def test_a_write_that_conflicts_with_a_transaction_is_retried(
    aws: None, no_pause: list[float]
) -> None:
    with refused("UpdateItem", conflict("UpdateItem", 1), times=PAUSES):
        InstanceRecord("i-1").started(now=5.0)
    assert InstanceRecord.read("i-1").on_since == 5.0
    assert len(no_pause) == PAUSES
    assert sum(no_pause) < 4


@pytest.mark.parametrize(
    "code", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"]
)
def test_a_transaction_that_conflicts_or_is_throttled_is_retried(aws: None, code: str) -> None:
    failure = error("TransactionCanceledException", "TransactWriteItems", [{"Code": code}])
    with refused("TransactWriteItems", failure) as client, transaction() as writes:
        writes.save(Entry("a", "b"))
    assert client.calls == ["TransactWriteItems"] * 2
    assert Entry.get("a", "b")


def test_a_retried_transaction_keeps_its_request_token(aws: None) -> None:
    tokens: list[str] = []
    with refused("TransactWriteItems", conflict("TransactWriteItems", 1)) as client:
        send = client._make_api_call

        def record(operation: str, parameters: dict[str, str]) -> object:
            tokens.append(parameters["ClientRequestToken"])
            return send(operation, parameters)

        client._make_api_call = record  # type: ignore[method-assign, assignment]
        with transaction() as writes:
            writes.save(Entry("a", "b"))
    assert len(tokens) == 2
    assert len({*tokens}) == 1


def test_a_write_that_conflicts_at_every_retry_fails(aws: None) -> None:
    failure = conflict("UpdateItem", 1)
    with refused("UpdateItem", failure, times=PAUSES + 1), pytest.raises(UpdateError):
        InstanceRecord("i-1").started(now=5.0)


def test_a_write_that_is_sent_once_is_not_retried_after_a_lost_answer(aws: None) -> None:
    record = InstanceRecord("i-1")
    with lost_answer("UpdateItem"), pytest.raises(Unanswered), sent_once():
        record.update([InstanceRecord.execution_total_seconds.add(1)])
    with lost_answer("UpdateItem"):
        record.update([InstanceRecord.execution_total_seconds.add(1)])
    assert InstanceRecord.read("i-1").execution_total_seconds == 1 + 2


def test_a_write_that_is_sent_once_and_always_throttled_raises_overloaded(aws: None) -> None:
    failure = error("ThrottlingException", "UpdateItem")
    record = InstanceRecord("i-1")
    with refused("UpdateItem", failure, times=99), pytest.raises(Overloaded), sent_once():
        record.update([InstanceRecord.execution_total_seconds.add(1)])


def repeated(failure: ClientError) -> ClientError:
    """Mark an error as botocore does when it has retried the request."""
    failure.response["ResponseMetadata"] = {"RetryAttempts": 1}  # type: ignore[typeddict-item]
    return failure


@pytest.mark.parametrize("code", ["TransactionConflictException", "ThrottlingException"])
def test_a_failed_creation_is_unanswered_if_botocore_has_retried_it(aws: None, code: str) -> None:
    with refused("PutItem", error(code, "PutItem"), times=99), pytest.raises(Overloaded):
        Entry("a", "b").create()
    with refused("PutItem", repeated(error(code, "PutItem")), times=99), pytest.raises(Unanswered):
        Entry("a", "b").create()


def test_a_creation_that_is_denied_raises_the_error(aws: None) -> None:
    failure = error("AccessDeniedException", "PutItem")
    with refused("PutItem", failure), pytest.raises(PutError):
        Entry("a", "b").create()


def test_a_write_that_is_sent_once_and_denied_raises_the_error(aws: None) -> None:
    failure = error("AccessDeniedException", "UpdateItem")
    record = InstanceRecord("i-1")
    with refused("UpdateItem", failure, times=99), pytest.raises(UpdateError), sent_once():
        record.update([InstanceRecord.execution_total_seconds.add(1)])


def test_a_write_that_is_sent_once_is_retried_if_it_was_throttled(aws: None) -> None:
    failure = error("ThrottlingException", "UpdateItem")
    with refused("UpdateItem", failure, times=2), sent_once():
        InstanceRecord("i-1").update([InstanceRecord.execution_total_seconds.add(1)])
    assert InstanceRecord.read("i-1").execution_total_seconds == 1


def test_both_clients_share_connections_and_only_one_retries(aws: None) -> None:
    retrying = table._shared().client
    with sent_once():
        once = table._shared().client
    assert once is not retrying
    assert once._endpoint.http_session is retrying._endpoint.http_session
    assert once.meta.config.retries["total_max_attempts"] == 1
    assert retrying.meta.config.retries["total_max_attempts"] > 1
