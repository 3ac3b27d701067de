"""The message queue: a message is a job's id, with a delay that SQS allows."""

import os
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.gateways.sqs import MessageQueue
from chalicelib.signals import QueueUnavailable
from local.stack.processes import free_port

URL = os.environ["JOBS_QUEUE_URL"]


def test_a_message_is_the_id_of_the_job_and_nothing_else(aws: None) -> None:
    sqs = boto3.client("sqs")
    MessageQueue(sqs, URL).send("job-1")
    (message,) = sqs.receive_message(QueueUrl=URL)["Messages"]
    assert message["Body"] == "job-1"


def test_a_message_with_a_delay_is_not_delivered_at_once(aws: None) -> None:
    sqs = boto3.client("sqs")
    MessageQueue(sqs, URL).send("job-1", delay_seconds=41)
    assert "Messages" not in sqs.receive_message(QueueUrl=URL)


@given(delay_seconds=st.integers(0, 10**9))
def test_a_delay_is_cut_to_the_longest_that_sqs_allows(delay_seconds: int) -> None:
    sent = {"QueueUrl": URL, "MessageBody": "job-1", "DelaySeconds": min(delay_seconds, 900)}
    with Stubber(boto3.client("sqs")) as stub:
        stub.add_response("send_message", {}, sent)
        MessageQueue(stub.client, URL).send("job-1", delay_seconds=delay_seconds)
        stub.assert_no_pending_responses()


@pytest.mark.parametrize("code", ["AWS.SimpleQueueService.NonExistentQueue", "RequestThrottled"])
def test_a_queue_that_refuses_is_unavailable(code: str) -> None:
    with Stubber(boto3.client("sqs")) as stub:
        stub.add_client_error("send_message", code, "arn:aws:sqs:us-east-1:123456789012:jobs")
        with pytest.raises(QueueUnavailable) as failure:
            MessageQueue(stub.client, URL).send("job-1")
    assert "arn:" not in str(failure.value)


def unreachable() -> Any:
    once = Config(retries={"total_max_attempts": 1}, connect_timeout=1)
    return boto3.client("sqs", endpoint_url=f"http://127.0.0.1:{free_port(0)}", config=once)


def test_a_queue_that_does_not_answer_is_unavailable() -> None:
    with pytest.raises(QueueUnavailable):
        MessageQueue(unreachable(), URL).send("job-1")
