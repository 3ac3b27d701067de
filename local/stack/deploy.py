"""Deploy the package on the emulator."""

import json
import time
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.deploy.deployment import Template, upload
from infra.deploy.fleet import Fleet
from infra.deploy.instances import Instances
from infra.deploy.recovery import recover
from infra.deploy.stack import Stack
from infra.deploy.store import Store
from infra.deploy.workers import workers
from infra.preflights import ORIGIN, allowed_origin, preflights, redeploy_if_changed
from local.stack.emulator import ACCESS_KEY, REGION, Emulator
from local.stack.processes import LOOPBACK

STACK = "darkroom"
STAGE = "live"
_LOOK_SECONDS = 0.2

# local/stack/gpu.py creates the GPUs, and the emulator cannot change an instance's type.
_PARAMETERS = {"FleetSize": "0", "GpuTypes": "", "FunctionZones": "us-east-1a,us-east-1b"}

_EXPIRING = ("JobsTable", "SchedulesTable", "RunsTable")


def deploy(emulator: Emulator, package: Path, parameters: dict[str, str]) -> dict[str, str]:
    """Create or update the stack; return its outputs, with `ApiUrl` on this machine."""
    template = json.loads((package / "template.json").read_text())
    adapt(template)
    redeploy_if_changed(template, parameters)
    store = Store(emulator.client("s3"), account=ACCESS_KEY, region=REGION)
    store.make()
    url = upload(template, package, store)
    stack = Stack(emulator.client("cloudformation"), STACK, pause=lambda: time.sleep(_LOOK_SECONDS))
    recover(stack, Fleet(Instances(emulator.client("ec2"), STACK), print))
    api_url = f"{emulator.url}/{STAGE}"
    known = {**_PARAMETERS, **workers(int(parameters.get("FleetMax", 1))), **parameters}
    stack.apply(url, {**known, "ApiUrl": api_url})
    outputs = stack.outputs()
    _publish(emulator, outputs["RestAPIId"])
    gateway, origin = emulator.client("apigateway"), allowed_origin(template, parameters)
    _answer_preflights(gateway, outputs["RestAPIId"], template, origin)
    _expire_items(emulator.client("dynamodb"))
    return {**outputs, "ApiUrl": api_url}


def adapt(template: Template) -> None:
    """Remove what the emulator does not support, and convert what it would ignore."""
    resources = template["Resources"]
    # The emulator has no networks: the functions and the stand-in ComfyUI run on this machine.
    for name in [name for name in resources if _is_of_network(name, resources[name]["Type"])]:
        del resources[name]
    for resource in resources.values():
        properties = resource.get("Properties", {})
        if properties.pop("VpcConfig", None):
            properties["Environment"]["Variables"]["DUAL_STACK"] = "0"
    api = resources["RestAPI"]["Properties"]
    responses = api.pop("GatewayResponses")
    for kind, response in responses.items():
        resources[f"Response{kind.title().replace('_', '')}"] = _gateway_response(kind, response)


def _is_of_network(name: str, kind: str) -> bool:
    return kind.startswith("AWS::EC2::") and not (name == "Vpc" or name.startswith("Gpu"))


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
    """Serve the API at `/live`: the API's id, and thus its own URL, changes with its routes."""
    gateway = emulator.client("apigateway")
    domain = {"domainName": LOOPBACK}
    for prepare, request in (
        (gateway.create_domain_name, domain),
        (gateway.delete_base_path_mapping, {**domain, "basePath": STAGE}),
    ):
        try:
            prepare(**request)
        except ClientError:
            continue  # the domain exists already, or the mapping does not exist
    gateway.create_base_path_mapping(**domain, basePath=STAGE, restApiId=api_id, stage=STAGE)


def _answer_preflights(gateway: Any, api_id: str, template: Template, origin: str) -> None:
    """Set the answers to preflights, which the emulator does not read from the template."""
    declared = preflights(template)
    for resource in gateway.get_resources(restApiId=api_id, limit=500)["items"]:
        if options := declared.get(resource["path"]):
            integration = options["x-amazon-apigateway-integration"]
            headers = integration["responses"]["default"]["responseParameters"]
            gateway.put_integration_response(
                restApiId=api_id,
                resourceId=resource["id"],
                httpMethod="OPTIONS",
                statusCode="200",
                responseParameters={
                    name: f"'{origin}'" if value == ORIGIN else value
                    for name, value in headers.items()
                },
            )


def _expire_items(tables: Any) -> None:
    """Let items expire, which the emulator does not read from the template."""
    for name in tables.list_tables()["TableNames"]:
        if any(table in name for table in _EXPIRING):
            tables.update_time_to_live(
                TableName=name,
                TimeToLiveSpecification={"AttributeName": "expires_at", "Enabled": True},
            )
