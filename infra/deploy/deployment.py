"""Choose a deployment's parameters, upload its files and apply its template."""

import json
import shlex
from collections.abc import Collection, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from infra.bundle import bundle
from infra.deploy.choices import choices
from infra.deploy.concurrency import concurrency
from infra.deploy.recovery import recover
from infra.deploy.stack import DeploymentFailed, Stack
from infra.deploy.store import Store
from infra.package import ROOT
from infra.preflights import redeploy_if_changed
from infra.prices import check_prices

PACKAGE = ROOT / "build" / "package"

_OF_GPUS = ("ImageId", "GpuZones")

Template = dict[str, Any]


class Clients(NamedTuple):
    """Clients of AWS; `functions` is that of Lambda."""

    ec2: Any
    ssm: Any
    functions: Any


def deploy(
    stack: Stack,
    store: Store,
    clients: Clients,
    packed: Path,
    given: Mapping[str, str],
    accept: Collection[str] = (),
) -> bool:
    """Create or update a stack from a package; return whether anything changed.

    A parameter that is not given keeps the value that was chosen before, else the default. Those
    that depend on FleetMax and on the account's limit of functions are determined anew.
    """
    recover(stack, accept)
    template = json.loads((packed / "template.json").read_text())
    before = stack.chosen()
    parameters = chosen(template, given, before, clients)
    fleet_max = _fleet_max(template, parameters)
    parameters |= {**concurrency(clients.functions, before, fleet_max), **given}
    store.make()
    archive, checksum = bundle()
    store.put(f"instance/{checksum}.tar.gz", archive)
    parameters |= {"BundleBucket": store.bucket, "BundleSha256": checksum}
    redeploy_if_changed(template, parameters)
    url = upload(template, (packed / "deployment.zip").read_bytes(), store)
    changed = stack.apply(url, parameters, accept=accept)
    stack.protect()
    return changed


def chosen(
    template: Template, given: Mapping[str, str], before: Mapping[str, str], clients: Clients
) -> dict[str, str]:
    """Return the parameters that are not left to the template's defaults."""
    known = template["Parameters"]
    if unknown := given.keys() - known.keys():
        raise DeploymentFailed(
            f"There is no parameter {', '.join(sorted(unknown))}: docs/configuration.md lists all"
        )
    defaults = {name: str(each["Default"]) for name, each in known.items() if "Default" in each}
    # A stack without instances does not keep the AMI and zones of its former instances.
    outdated = () if _has_gpus({**defaults, **before}) else _OF_GPUS
    kept = {name: before[name] for name in before if name in known and name not in outdated}
    parameters = {**kept, **given}
    whole = {**defaults, **parameters}
    needed = {"FunctionZones", *(_OF_GPUS if _has_gpus(whole) else ())}
    if _has_gpus(whole):
        check_prices(whole["GpuTypes"], whole["GpuPrices"])
    made = choices(needed - parameters.keys(), whole, clients.ec2, clients.ssm)
    return {**parameters, **made}


def _fleet_max(template: Template, parameters: Mapping[str, str]) -> int:
    """Return the FleetMax in force after the deployment."""
    text = str(parameters.get("FleetMax", template["Parameters"]["FleetMax"]["Default"]))
    if not text.isdecimal():
        raise DeploymentFailed(f"FleetMax takes a whole number, not {text}")
    return int(text)


def _has_gpus(parameters: Mapping[str, str]) -> bool:
    return parameters["FleetSize"] != "0" and not parameters["ComfyUIUrl"]


def upload(template: Template, code: bytes, store: Store) -> str:
    """Store the code and the template that refers to it; return the template's URL."""
    key = f"code/{sha256(code).hexdigest()}.zip"
    store.put(key, code)
    locate(template, f"s3://{store.bucket}/{key}")
    text = json.dumps(template, separators=(",", ":")).encode()
    return store.put(f"template/{sha256(text).hexdigest()}.json", text)


def locate(template: Template, code: str) -> None:
    """Set the location of the code in each function of the template."""
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = code


def pairs(text: str) -> dict[str, str]:
    """Parse `NAME=VALUE NAME='VALUE WITH SPACES' …`."""
    words = shlex.split(text)
    if wrong := [word for word in words if "=" not in word]:
        raise DeploymentFailed(f"PARAMETERS takes NAME=VALUE pairs, not {' '.join(wrong)}")
    return dict(word.split("=", 1) for word in words)
