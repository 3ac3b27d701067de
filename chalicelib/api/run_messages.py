"""The messages of EventBridge Scheduler, as Lambda gets them from SQS."""

import json
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from chalice.app import SQSEvent

from chalicelib import logs
from chalicelib.services.schedules.conditions import Delivery

log = logging.getLogger("darkroom.runs")


def deliver(event: SQSEvent, handle: Callable[[Delivery], None]) -> dict[str, Any]:
    """Handle each message, and name those that SQS has to deliver again."""
    failed = []
    for record in event.to_dict()["Records"]:
        try:
            delivery = _delivery(record)
            logs.about(schedule_id=delivery.schedule_id)
            handle(delivery)
        except Exception:
            log.exception("a run could not be handled; SQS delivers its message again")
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


def _delivery(record: dict[str, Any]) -> Delivery:
    body = json.loads(record["body"])
    at = datetime.fromisoformat(body["scheduled_at"]).timestamp()
    return Delivery(str(body["schedule_id"]), at, _sent_at(record))


def _sent_at(record: dict[str, Any]) -> float:
    """Return when EventBridge Scheduler sent a message, also one that `make redrive` moved."""
    moved = record.get("messageAttributes", {}).get("sent_at")
    sent_at = moved["stringValue"] if moved else record["attributes"]["SentTimestamp"]
    return float(sent_at) / 1000
