"""Which requests API Gateway passes on, and what it answers itself."""

import json
import re
from typing import Any

import pytest

from chalicelib.config import Config
from infra.keys import create
from tests.environment import RESOURCES

API = RESOURCES["Resources"]["RestAPI"]["Properties"]
PARAMETERS = RESOURCES["Parameters"]
UNANSWERED = [
    "INTEGRATION_FAILURE",
    "INTEGRATION_TIMEOUT",
    "API_CONFIGURATION_ERROR",
    "AUTHORIZER_FAILURE",
    "AUTHORIZER_CONFIGURATION_ERROR",
    "DEFAULT_5XX",
]


def body_of(response: dict[str, Any]) -> Any:
    return json.loads(
        response["ResponseTemplates"]["application/json"].replace(
            "$context.error.messageString", '"said"'
        )
    )


@pytest.mark.parametrize("kind", sorted(API["GatewayResponses"]))
def test_every_response_of_api_gateway_has_the_shape_of_errors_and_cors_headers(kind: str) -> None:
    response = API["GatewayResponses"][kind]
    body = body_of(response)
    assert body.keys() == {"status", "message", "details"}
    assert body["status"] == "error"
    assert body["details"].keys() == {"error", "suggestion"}
    headers = response["ResponseParameters"]["Headers"]
    assert "Access-Control-Allow-Origin" in headers
    assert ("Retry-After" in headers) == ("Access-Control-Expose-Headers" in headers)


@pytest.mark.parametrize("kind", UNANSWERED)
def test_a_response_without_the_function_asks_for_a_retry_with_the_same_key(kind: str) -> None:
    response = API["GatewayResponses"][kind]
    assert response["StatusCode"] == "503"
    assert response["ResponseParameters"]["Headers"]["Retry-After"] == "'2'"
    assert "same Idempotency-Key" in body_of(response)["details"]["suggestion"]


def test_a_body_that_cannot_be_decompressed_is_to_be_sent_uncompressed() -> None:
    response = API["GatewayResponses"]["UNSUPPORTED_MEDIA_TYPE"]
    assert "StatusCode" not in response, "API Gateway's own is 415"
    assert "uncompressed" in body_of(response)["details"]["suggestion"]


def test_a_throttled_request_may_be_retried_after_a_second() -> None:
    response = API["GatewayResponses"]["THROTTLED"]
    assert response["StatusCode"] == "429"
    assert response["ResponseParameters"]["Headers"]["Retry-After"] == "'1'"


def test_the_limits_of_the_stage_are_parameters() -> None:
    settings = API["MethodSettings"][0]
    limits = settings["ThrottlingRateLimit"]["Ref"], settings["ThrottlingBurstLimit"]["Ref"]
    assert [PARAMETERS[name]["Default"] for name in limits] == [1000, 2000]


def test_a_key_may_send_3000_requests_a_minute_by_default() -> None:
    assert PARAMETERS["KeyRequestsPerMinute"]["Default"] == 3000


def expression() -> str:
    [authorizer] = API["DefinitionBody"]["securityDefinitions"].values()
    return str(authorizer["x-amazon-apigateway-authorizer"]["identityValidationExpression"])


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER  {}", "Bearer {} "])
def test_a_well_formed_key_reaches_the_authorizer(aws: None, form: str) -> None:
    assert re.fullmatch(expression(), form.format(create("ci")))


@pytest.mark.parametrize("form", ["{}", "Basic {}", "Bearer{}", "Bearer x{}", "Bearer {}x"])
def test_a_malformed_key_does_not_reach_the_authorizer(aws: None, form: str) -> None:
    assert not re.fullmatch(expression(), form.format(create("ci")))


def test_the_event_source_limits_concurrent_workers() -> None:
    worker = RESOURCES["Resources"]["Worker"]["Properties"]
    assert "ReservedConcurrentExecutions" not in worker
    scaling = worker["Events"]["WorkerSqsEventSource"]["Properties"]["ScalingConfig"]
    assert scaling["MaximumConcurrency"] == {"Ref": "WorkerConcurrency"}


def test_a_small_account_waits_for_at_most_five_seconds() -> None:
    variables = RESOURCES["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["LONGEST_WAIT_SECONDS"] == {"Ref": "LongestWaitSeconds"}
    assert variables["SMALL_ACCOUNT"] == {"Fn::If": ["IsSmallAccount", "1", "0"]}
    assert PARAMETERS["SmallAccount"]["Default"] == "no"
    assert [Config().wait_seconds, Config(small_account=1).wait_seconds] == [25, 5]
    assert Config(small_account=1, longest_wait_seconds=2).wait_seconds == 2
