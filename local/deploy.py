"""Deploys the package on the emulator, as CloudFormation would on AWS."""

import json
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.deploy import Template, point_to, upload
from infra.stack import Stack
from local.emulator import Emulator
from local.processes import LOOPBACK

STACK = "darkroom"
STAGE = "live"
_BUCKET = "darkroom-deployments"
_LOOK_SECONDS = 0.1


def deploy(emulator: Emulator, package: Path, parameters: dict[str, str]) -> dict[str, str]:
    """Create or update the stack; return its outputs, `ApiUrl` as it is reached here."""
    template = json.loads((package / "template.json").read_text())
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket=_BUCKET)
    code = upload(s3, _BUCKET, "functions", (package / "deployment.zip").read_bytes(), "zip")
    point_to(template, f"s3://{_BUCKET}/{code}")
    _adapt(template)
    api_url = f"{emulator.url}/{STAGE}"
    # Its endpoints have no second address.
    given = {"NatGateway": "yes", **parameters, "ApiUrl": api_url}
    body = json.dumps(template, separators=(",", ":")).encode()
    url = f"{emulator.url}/{_BUCKET}/{upload(s3, _BUCKET, 'templates', body, 'json')}"
    stack = Stack(STACK, emulator.client("cloudformation"), look_seconds=_LOOK_SECONDS)
    stack.apply(url, set(template["Parameters"]), given)
    outputs = stack.outputs()
    _publish(emulator, outputs["RestAPIId"])
    _complete(emulator, outputs["RestAPIId"], template)
    return {**outputs, "ApiUrl": api_url}


def _adapt(template: Template) -> None:
    """Say in the emulator's dialect what it would ignore in SAM's."""
    # It has no network: everything listens on loopback, and the GPU instance is made beside.
    resources = template["Resources"] = {
        name: resource
        for name, resource in template["Resources"].items()
        if not resource["Type"].startswith("AWS::EC2::")
    }
    for resource in resources.values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"].pop("VpcConfig", None)
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
