"""Rules of DynamoDB that moto lacks; each names where AWS documents it."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.virtual.contract.backends import BACKENDS, RIGHT, Answer, Backend


@pytest.fixture(params=RIGHT)
def ask(request: pytest.FixtureRequest) -> Any:
    """The tables in memory, and those of the endpoint that DYNAMODB_ENDPOINT_URL names."""
    with BACKENDS[request.param]() as backend:
        yield backend


def put(ask: Backend, **attributes: Any) -> Answer:
    return ask("PutItem", {"TableName": "things", "Item": {"id": {"S": "a"}} | attributes})


def get(ask: Backend, id_: str = "a") -> Any:
    wanted = {"TableName": "things", "Key": {"id": {"S": id_}}, "ConsistentRead": True}
    return ask("GetItem", wanted).get("Item")


def update(ask: Backend, expression: str, **more: Any) -> Answer:
    wanted = {"TableName": "things", "Key": {"id": {"S": "a"}}, "UpdateExpression": expression}
    return ask("UpdateItem", wanted | more)


def query(ask: Backend, **more: Any) -> Answer:
    wanted = {
        "TableName": "things",
        "IndexName": "by_queue",
        "KeyConditionExpression": "#0 = :0",
        "ExpressionAttributeNames": {"#0": "queue"},
        "ExpressionAttributeValues": {":0": {"S": "q"}},
    }
    return ask("Query", wanted | more)


def transact(ask: Backend, *items: Any, token: str | None = None) -> Answer:
    named = {"ClientRequestToken": token} if token else {}
    return ask("TransactWriteItems", {"TransactItems": [*items]} | named)


def putting(id_: str, **more: Any) -> dict[str, Any]:
    return {"Put": {"TableName": "things", "Item": {"id": {"S": id_}}} | more}


def refusal(act: Any, *given: Any, **named: Any) -> str:
    with pytest.raises(ClientError) as raised:
        act(*given, **named)
    return str(raised.value.response["Error"]["Code"])


INVALID = "ValidationException"


# Naming rules and data types: numbers have 38 digits and neither leading nor trailing zeros.
@pytest.mark.parametrize(
    ("given", "kept"), [("1.50", "1.5"), ("12E1", "120"), ("-0", "0"), ("1" * 38, "1" * 38)]
)
def test_a_number_is_returned_without_zeros_that_say_nothing(
    ask: Backend, given: str, kept: str
) -> None:
    put(ask, count={"N": given})
    assert get(ask)["count"] == {"N": kept}


@pytest.mark.parametrize("number", ["1" * 39, "1E126", "1E-131", "x", "NaN"])
def test_a_number_that_cannot_be_kept_exactly_is_refused(ask: Backend, number: str) -> None:
    assert refusal(put, ask, count={"N": number}) == INVALID


def test_a_sum_of_more_than_38_digits_is_refused(ask: Backend) -> None:
    put(ask, count={"N": "1" * 38})
    more = {"ExpressionAttributeNames": {"#0": "count"}}
    more["ExpressionAttributeValues"] = {":0": {"N": "0.1"}}  # type: ignore[dict-item]
    assert refusal(update, ask, "ADD #0 :0", **more) == INVALID


# Developer guide, ConditionExpression: size of what is not there makes a comparison false.
def test_the_size_of_a_missing_attribute_fits_no_comparison(ask: Backend) -> None:
    put(ask)
    condition = {
        "ConditionExpression": "size (tags) < :0",
        "ExpressionAttributeValues": {":0": {"N": "9"}},
    }
    wanted = {"TableName": "things", "Key": {"id": {"S": "a"}}} | condition
    assert refusal(ask, "DeleteItem", wanted) == "ConditionalCheckFailedException"


# API reference, Query: "You cannot specify ConsistentRead on a global secondary index".
def test_a_consistent_read_of_an_index_is_refused(ask: Backend) -> None:
    assert refusal(query, ask, ConsistentRead=True) == INVALID


# Developer guide, Query: a page that reaches Limit has a LastEvaluatedKey, also at the end.
def test_a_page_that_is_full_says_where_the_next_one_begins(ask: Backend) -> None:
    put(ask, queue={"S": "q"}, rank={"S": "1"})
    page = query(ask, Limit=1)
    assert page["LastEvaluatedKey"] == {
        "id": {"S": "a"},
        "queue": {"S": "q"},
        "rank": {"S": "1"},
    }
    assert query(ask, Limit=1, ExclusiveStartKey=page["LastEvaluatedKey"])["Items"] == []


# Quotas: an item has at most 400 KB.
def test_an_item_of_more_than_400_kilobytes_is_refused(ask: Backend) -> None:
    size = 400 * 1024 - len("idatext")
    put(ask, text={"S": "x" * size})
    assert refusal(put, ask, text={"S": "x" * (size + 1)}) == INVALID


# Quotas: a query reads at most 1 MB.
def test_a_query_reads_at_most_a_megabyte(ask: Backend) -> None:
    for number in range(4):
        put(
            ask,
            id={"S": str(number)},
            queue={"S": "q"},
            due_at={"N": "1"},
            text={"S": "x" * 300 * 1024},
        )
    page = query(ask, IndexName="by_due")
    assert page["Count"] == 3
    rest = query(ask, IndexName="by_due", ExclusiveStartKey=page["LastEvaluatedKey"])
    assert (rest["Count"], "LastEvaluatedKey" in rest) == (1, False)


# Developer guide, global secondary indexes: a key has its type, and is no empty string.
@pytest.mark.parametrize("value", [{"S": ""}, {"N": "1"}])
def test_a_value_that_an_index_cannot_have_as_its_key_is_refused(
    ask: Backend, value: dict[str, str]
) -> None:
    assert refusal(put, ask, queue=value) == INVALID
    put(ask)
    more = {"ExpressionAttributeNames": {"#0": "queue"}, "ExpressionAttributeValues": {":0": value}}
    assert refusal(update, ask, "SET #0 = :0", **more) == INVALID


# Developer guide, update expressions.
def test_a_set_of_which_all_members_are_deleted_is_removed(ask: Backend) -> None:
    put(ask, tags={"SS": ["x"]})
    update(ask, "DELETE tags :0", ExpressionAttributeValues={":0": {"SS": ["x", "y"]}})
    assert get(ask) == {"id": {"S": "a"}}


# API reference, UpdateItem, ReturnValues: the updated attributes as they are after the update.
def test_an_updated_attribute_is_returned_also_if_its_value_is_the_same(ask: Backend) -> None:
    put(ask, text={"S": "x"})
    more = {"ExpressionAttributeValues": {":0": {"S": "x"}}, "ReturnValues": "UPDATED_NEW"}
    answer = update(ask, "SET #0 = :0", ExpressionAttributeNames={"#0": "text"}, **more)
    assert answer["Attributes"] == {"text": {"S": "x"}}


def test_an_empty_set_is_refused(ask: Backend) -> None:
    assert refusal(put, ask, tags={"SS": []}) == INVALID


@pytest.mark.parametrize("expression", ["SET a = :0, a.b = :0", "REMOVE id", "SET size = :0"])
def test_updates_that_overlap_change_the_key_or_use_reserved_words_are_refused(
    ask: Backend, expression: str
) -> None:
    values = {":0": {"S": "x"}} if ":0" in expression else {}
    more = {"ExpressionAttributeValues": values} if values else {}
    assert refusal(update, ask, expression, **more) == INVALID


def test_every_operand_of_an_update_is_the_value_before_it(ask: Backend) -> None:
    put(ask, one={"N": "1"}, two={"N": "2"})
    update(ask, "SET one = two, two = one")
    assert get(ask) == {"id": {"S": "a"}, "one": {"N": "2"}, "two": {"N": "1"}}


@pytest.mark.parametrize("given", [{"#1": "x"}, {}])
def test_placeholders_are_given_exactly_if_they_are_used(
    ask: Backend, given: dict[str, str]
) -> None:
    names = {"ExpressionAttributeNames": given} if given else {}
    assert refusal(update, ask, "REMOVE x" if given else "REMOVE #0", **names) == INVALID


# API reference, TransactWriteItems: the reasons are in the order of the writes.
def test_a_transaction_happens_as_a_whole_or_says_why_not_in_order(ask: Backend) -> None:
    put(ask)
    absent = {"ConditionExpression": "attribute_not_exists (id)"}
    shown = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    added = {"UpdateExpression": "SET n = m", "TableName": "things", "Key": {"id": {"S": "c"}}}
    with pytest.raises(ClientError) as raised:
        transact(ask, putting("b"), putting("a", **absent, **shown), {"Update": added})
    response: Any = raised.value.response
    reasons = [each["Code"] for each in response["CancellationReasons"]]
    assert reasons == ["None", "ConditionalCheckFailed", "ValidationError"]
    assert response["CancellationReasons"][1]["Item"] == {"id": {"S": "a"}}
    assert get(ask, "b") is None


# API reference, TransactWriteItems, ClientRequestToken.
def test_a_transaction_with_the_same_token_happens_once(ask: Backend) -> None:
    transact(ask, putting("a"), token="t")
    ask("DeleteItem", {"TableName": "things", "Key": {"id": {"S": "a"}}})
    transact(ask, putting("a"), token="t")
    assert get(ask) is None
    changed = refusal(transact, ask, putting("b"), token="t")
    assert changed == "IdempotentParameterMismatchException"


def test_two_writes_of_one_item_in_a_transaction_are_refused(ask: Backend) -> None:
    assert refusal(transact, ask, putting("a"), putting("a")) == INVALID


# Developer guide, capacity: 4 KB for a read, half of it if it is eventually consistent; 1 KB for a
# write, of the table and of each index, twice in a transaction.
def test_capacity_is_counted_by_size_for_the_table_and_each_index(ask: Backend) -> None:
    asked = {"ReturnConsumedCapacity": "INDEXES"}
    item = {"id": {"S": "a"}, "queue": {"S": "q"}, "rank": {"S": "1"}, "text": {"S": "x" * 1500}}
    put_ = ask("PutItem", {"TableName": "things", "Item": item} | asked)["ConsumedCapacity"]
    assert (put_["CapacityUnits"], put_["Table"]["CapacityUnits"]) == (4, 2)
    assert {*put_["GlobalSecondaryIndexes"]} == {"by_queue", "by_rank"}
    wanted = {"TableName": "things", "Key": {"id": {"S": "a"}}} | asked
    assert ask("GetItem", wanted)["ConsumedCapacity"]["CapacityUnits"] == 0.5
    read = ask("GetItem", wanted | {"ConsistentRead": True})
    assert read["ConsumedCapacity"]["CapacityUnits"] == 1
    wrote = ask("TransactWriteItems", {"TransactItems": [putting("b")]} | asked)
    assert wrote["ConsumedCapacity"][0]["CapacityUnits"] == 2


def test_a_sort_key_can_be_asked_for_by_its_beginning_in_both_directions(ask: Backend) -> None:
    for at in ("1", "12", "123", "13", "2"):
        ask("PutItem", {"TableName": "runs", "Item": {"of": {"S": "x"}, "at": {"S": at}}})
    wanted = {
        "TableName": "runs",
        "KeyConditionExpression": "#0 = :0 AND begins_with (#1, :1)",
        "ExpressionAttributeNames": {"#0": "of", "#1": "at"},
        "ExpressionAttributeValues": {":0": {"S": "x"}, ":1": {"S": "12"}},
    }
    assert [each["at"]["S"] for each in ask("Query", wanted)["Items"]] == ["12", "123"]
    backward = ask("Query", wanted | {"ScanIndexForward": False})["Items"]
    assert [each["at"]["S"] for each in backward] == ["123", "12"]
