"""Workers for the API's tests: they take the messages of the jobs queue, as Lambda does."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import boto3

from chalicelib.bootstrap import services

_LOOK_SECONDS = 0.05
_INVOCATION_SECONDS = 40.0


@contextmanager
def workers() -> Iterator[None]:
    """Work until the context ends and all workers have."""
    is_over = Event()
    poller = Thread(target=_poll, args=(is_over,))
    poller.start()
    try:
        yield
    finally:
        is_over.set()
        poller.join()


def _poll(is_over: Event) -> None:
    sqs, url, threads = boto3.client("sqs"), os.environ["JOBS_QUEUE_URL"], list[Thread]()
    while not is_over.wait(_LOOK_SECONDS):
        for message in sqs.receive_message(QueueUrl=url).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            threads.append(Thread(target=_work, args=(message["Body"],)))
            threads[-1].start()
    for each in threads:
        each.join()


def _work(body: str) -> None:
    services().worker.work(body, remaining_seconds=_INVOCATION_SECONDS)
