"""The parts of API Gateway that Chalice's test client leaves out."""

import time
from typing import Any

from chalice import Chalice
from chalice.local import LambdaContext

from tests.api.promised import check

STAGE = "/live"
BASE_URL = f"https://localhost{STAGE}"

# API Gateway turns every value of the authorizer's context into a string.
AUTHORIZED = {
    "key_id": "admintestkey",
    "owner": "tests",
    "scopes": '["admin"]',
    "images_per_day": "1000",
    "megapixel_steps_per_day": "100000",
}

Event = dict[str, Any]


class Gateway:
    """Adds the path with the stage and the time of receipt to each request, as API Gateway does.

    It checks that the OpenAPI document promises each answer.
    API Gateway received each request `seconds_ago`: the time that the function took to start.
    """

    seconds_ago = 0.0

    def __init__(self, application: Chalice) -> None:
        self._application = application

    def __getattr__(self, name: str) -> Any:
        return getattr(self._application, name)

    def __call__(self, event: Event, context: LambdaContext) -> Event:
        about = event["requestContext"]
        event |= {"path": about["path"], "httpMethod": about["httpMethod"]}
        about["path"] = f"{STAGE}{about['path']}"
        about["requestTimeEpoch"] = int((time.time() - self.seconds_ago) * 1000)
        answer: Event = self._application(event, context)
        check(about["httpMethod"], about["resourcePath"], answer)
        return answer


def event_of(method: str, path: str, resource: str, body: str | None = None) -> Event:
    """Return the event of a request that API Gateway matched to a resource."""
    return {
        "resource": resource,
        "path": path,
        "httpMethod": method,
        "headers": {"Host": "localhost", "Content-Type": "application/json"},
        "multiValueHeaders": {"Host": ["localhost"], "Content-Type": ["application/json"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"proxy": path.removeprefix("/")} if "proxy" in resource else None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": resource,
            "httpMethod": method,
            "path": f"{STAGE}{path}",
            "stage": STAGE.removeprefix("/"),
            "authorizer": AUTHORIZED,
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        },
        "body": body,
        "isBase64Encoded": False,
    }
