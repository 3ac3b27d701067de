"""Deploys the package on the emulator, as CloudFormation would on AWS."""

import hashlib
import json
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from local.emulator import Emulator
from local.processes import LOOPBACK, wait_until

STACK = "darkroom"
STAGE = "live"
_BUCKET = "darkroom-deployments"
_DEPLOY_SECONDS = 120

Template = dict[str, Any]


def deploy(emulator: Emulator, package: Path, parameters: dict[str, str]) -> dict[str, str]:
    """Create or update the stack; return its outputs, `ApiUrl` as it is reached here."""
    template = json.loads((package / "template.json").read_text())
    code = _upload(emulator, (package / "deployment.zip").read_bytes(), "zip")
    _adapt(template, code)
    api_url = f"{emulator.url}/{STAGE}"
    _apply(emulator, template, {**parameters, "ApiUrl": api_url})
    outputs = _outputs(emulator)
    _publish(emulator, outputs["RestAPIId"])
    _complete(emulator, outputs["RestAPIId"], template)
    return {**outputs, "ApiUrl": api_url}


def _upload(emulator: Emulator, content: bytes, kind: str) -> str:
    s3, key = emulator.client("s3"), f"{hashlib.sha256(content).hexdigest()}.{kind}"
    s3.create_bucket(Bucket=_BUCKET)
    s3.put_object(Bucket=_BUCKET, Key=key, Body=content)
    return key


def _adapt(template: Template, code: str) -> None:
    """Say in the emulator's dialect what it would ignore in SAM's."""
    resources = template["Resources"]
    for resource in resources.values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = f"s3://{_BUCKET}/{code}"
    api = resources["RestAPI"]["Properties"]
    responses = api.pop("GatewayResponses")
    for kind, response in responses.items():
        resources[f"Response{kind.title().replace('_', '')}"] = _gateway_response(kind, response)


def _gateway_response(kind: str, response: dict[str, Any]) -> dict[str, Any]:
    headers = response["ResponseParameters"]["Headers"]
    properties = {
        "RestApiId": {"Ref": "RestAPI"},
        "ResponseType": kind,
        "ResponseTemplates": response["ResponseTemplates"],
        "ResponseParameters": {
            f"gatewayresponse.header.{name}": value for name, value in headers.items()
        },
    }
    if "StatusCode" in response:
        properties["StatusCode"] = response["StatusCode"]
    return {"Type": "AWS::ApiGateway::GatewayResponse", "Properties": properties}


def _apply(emulator: Emulator, template: Template, parameters: dict[str, str]) -> None:
    cloudformation = emulator.client("cloudformation")
    key = _upload(emulator, json.dumps(template, separators=(",", ":")).encode(), "json")
    request = {
        "StackName": STACK,
        "TemplateURL": f"{emulator.url}/{_BUCKET}/{key}",
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        "Parameters": [
            {"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()
        ],
    }
    try:
        if _status(cloudformation) is None:
            cloudformation.create_stack(**request)
        else:
            cloudformation.update_stack(**request)
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise
    wait_until(lambda: _is_settled(cloudformation), "the deployment", seconds=_DEPLOY_SECONDS)


def _status(cloudformation: Any) -> str | None:
    try:
        [stack] = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        return None
    return str(stack["StackStatus"])


def _is_settled(cloudformation: Any) -> bool:
    status = _status(cloudformation) or ""
    if status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        return True
    if not status.endswith("IN_PROGRESS"):
        raise RuntimeError(f"the deployment ended in {status}: {_first_failure(cloudformation)}")
    return False


def _first_failure(cloudformation: Any) -> str:
    events = cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
    failures = [event for event in reversed(events) if "FAILED" in event["ResourceStatus"]]
    reasons = (
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}" for event in failures
    )
    return next(reasons, "no reason given")


def _outputs(emulator: Emulator) -> dict[str, str]:
    [stack] = emulator.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}


def _publish(emulator: Emulator, api_id: str) -> None:
    """Serve the API at `/live`; its id, and so its own address, changes with its routes."""
    gateway = emulator.client("apigateway")
    domain = {"domainName": LOOPBACK}
    for prepare, request in (
        (gateway.create_domain_name, domain),
        (gateway.delete_base_path_mapping, {**domain, "basePath": STAGE}),
    ):
        try:
            prepare(**request)
        except ClientError:
            continue  # it exists, or does not exist
    gateway.create_base_path_mapping(**domain, basePath=STAGE, restApiId=api_id, stage=STAGE)


def _complete(emulator: Emulator, api_id: str, template: Template) -> None:
    """Set what the emulator drops from the template: CORS preflights and expiry of jobs."""
    gateway = emulator.client("apigateway")
    paths = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"]
    for resource in gateway.get_resources(restApiId=api_id, limit=500)["items"]:
        options = paths.get(resource["path"], {}).get("options")
        if options:
            at = {"restApiId": api_id, "resourceId": resource["id"], "httpMethod": "OPTIONS"}
            integration = options["x-amazon-apigateway-integration"]
            answer = integration["responses"]["default"]
            gateway.put_integration_response(
                **at, statusCode="200", responseParameters=answer["responseParameters"]
            )
    tables = emulator.client("dynamodb")
    for name in tables.list_tables()["TableNames"]:
        if "JobsTable" in name:
            tables.update_time_to_live(
                TableName=name,
                TimeToLiveSpecification={"AttributeName": "expires_at", "Enabled": True},
            )
