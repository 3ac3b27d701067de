"""What DynamoDB's errors mean, and what is sent again."""

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from pynamodb.exceptions import PutError, UpdateError

from chalicelib.errors import Overloaded, Unanswered
from chalicelib.models import table
from chalicelib.models.catalogs.item import Entry
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.table import sent_once, transaction, was_refused
from tests.models.unheard import refused, unheard
from tests.virtual.dynamodb import conflict, error

PAUSES = 7


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    pauses: list[float] = []
    monkeypatch.setattr(table, "sleep", pauses.append)
    return pauses


def answered(code: str) -> UpdateError:
    return UpdateError("no", ClientError({"Error": {"Code": code}}, "UpdateItem"))


def test_a_condition_that_does_not_hold_is_told_from_failures() -> None:
    assert was_refused(answered("ConditionalCheckFailedException"))
    assert not was_refused(answered("ProvisionedThroughputExceededException"))


def test_an_answer_that_never_came_is_no_refusal() -> None:
    assert not was_refused(UpdateError("no", ReadTimeoutError(endpoint_url="https://dynamodb")))


def test_a_write_that_meets_a_transaction_is_sent_again(aws: None, no_pause: list[float]) -> None:
    with refused("UpdateItem", conflict("UpdateItem", 1), times=PAUSES):
        InstanceRecord("i-1").started(now=5.0)
    assert InstanceRecord.read("i-1").on_since == 5.0
    assert len(no_pause) == PAUSES
    assert sum(no_pause) < 4


@pytest.mark.parametrize(
    "code", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"]
)
def test_a_transaction_that_dynamodb_had_no_time_for_is_sent_again(aws: None, code: str) -> None:
    met = error("TransactionCanceledException", "TransactWriteItems", [{"Code": code}])
    with refused("TransactWriteItems", met) as client, transaction() as writes:
        writes.save(Entry("a", "b"))
    assert client.calls == ["TransactWriteItems"] * 2
    assert Entry.get("a", "b")


def test_a_transaction_that_is_sent_again_is_the_same_to_dynamodb(aws: None) -> None:
    tokens: list[str] = []
    with refused("TransactWriteItems", conflict("TransactWriteItems", 1)) as client:
        send = client._make_api_call

        def listened(operation: str, parameters: dict[str, str]) -> object:
            tokens.append(parameters["ClientRequestToken"])
            return send(operation, parameters)

        client._make_api_call = listened  # type: ignore[method-assign, assignment]
        with transaction() as writes:
            writes.save(Entry("a", "b"))
    assert len(tokens) == 2
    assert len({*tokens}) == 1


def test_a_write_that_meets_transactions_again_and_again_fails(aws: None) -> None:
    failure = conflict("UpdateItem", 1)
    with refused("UpdateItem", failure, times=PAUSES + 1), pytest.raises(UpdateError):
        InstanceRecord("i-1").started(now=5.0)


def test_a_write_that_is_sent_once_is_not_sent_again(aws: None) -> None:
    record = InstanceRecord("i-1")
    with unheard("UpdateItem"), pytest.raises(Unanswered), sent_once():
        record.update([InstanceRecord.execution_total_seconds.add(1)])
    with unheard("UpdateItem"):
        record.update([InstanceRecord.execution_total_seconds.add(1)])
    assert InstanceRecord.read("i-1").execution_total_seconds == 1 + 2


def test_a_counter_that_dynamodb_has_no_time_for_is_not_counted(aws: None) -> None:
    failure = error("ThrottlingException", "UpdateItem")
    record = InstanceRecord("i-1")
    with refused("UpdateItem", failure, times=99), pytest.raises(Overloaded), sent_once():
        record.update([InstanceRecord.execution_total_seconds.add(1)])


def repeated(failure: ClientError) -> ClientError:
    """Have botocore say that it has sent a request twice."""
    failure.response["ResponseMetadata"] = {"RetryAttempts": 1}  # type: ignore[typeddict-item]
    return failure


@pytest.mark.parametrize("code", ["TransactionConflictException", "ThrottlingException"])
def test_an_item_is_not_stored_for_sure_only_if_it_was_sent_once(aws: None, code: str) -> None:
    with refused("PutItem", error(code, "PutItem"), times=99), pytest.raises(Overloaded):
        Entry("a", "b").create()
    with refused("PutItem", repeated(error(code, "PutItem")), times=99), pytest.raises(Unanswered):
        Entry("a", "b").create()


def test_an_item_whose_creation_fails_otherwise_is_an_error(aws: None) -> None:
    failure = error("AccessDeniedException", "PutItem")
    with refused("PutItem", failure), pytest.raises(PutError):
        Entry("a", "b").create()


def test_a_counter_that_must_not_be_written_is_an_error_and_no_lost_answer(aws: None) -> None:
    failure = error("AccessDeniedException", "UpdateItem")
    record = InstanceRecord("i-1")
    with refused("UpdateItem", failure, times=99), pytest.raises(UpdateError), sent_once():
        record.update([InstanceRecord.execution_total_seconds.add(1)])


def test_a_write_that_is_sent_once_is_sent_again_if_nothing_was_written(aws: None) -> None:
    failure = error("ThrottlingException", "UpdateItem")
    with refused("UpdateItem", failure, times=2), sent_once():
        InstanceRecord("i-1").update([InstanceRecord.execution_total_seconds.add(1)])
    assert InstanceRecord.read("i-1").execution_total_seconds == 1


def test_both_clients_use_the_same_connections_and_one_does_not_repeat(aws: None) -> None:
    repeating = table._shared().client
    with sent_once():
        once = table._shared().client
    assert once is not repeating
    assert once._endpoint.http_session is repeating._endpoint.http_session
    assert once.meta.config.retries["total_max_attempts"] == 1
    assert repeating.meta.config.retries["total_max_attempts"] > 1
