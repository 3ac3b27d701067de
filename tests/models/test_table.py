"""What DynamoDB's errors mean."""

from botocore.exceptions import ClientError, ReadTimeoutError
from pynamodb.exceptions import UpdateError

from chalicelib.models.table import was_refused


def answered(code: str) -> UpdateError:
    return UpdateError("no", ClientError({"Error": {"Code": code}}, "UpdateItem"))


def test_a_condition_that_does_not_hold_is_told_from_failures() -> None:
    assert was_refused(answered("ConditionalCheckFailedException"))
    assert not was_refused(answered("ProvisionedThroughputExceededException"))


def test_an_answer_that_never_came_is_no_refusal() -> None:
    assert not was_refused(UpdateError("no", ReadTimeoutError(endpoint_url="https://dynamodb")))
