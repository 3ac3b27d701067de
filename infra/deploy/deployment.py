"""Choose a deployment's parameters, upload its files and apply its template."""

import json
import shlex
from collections.abc import Collection, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from infra.bundle import bundle
from infra.deploy.choices import choices, filled, zones_of
from infra.deploy.concurrency import concurrency
from infra.deploy.encryption import volume_key
from infra.deploy.remedies import TO_DELETE
from infra.deploy.stack import DeploymentFailed, Stack
from infra.deploy.store import Store
from infra.package import ROOT, ZIPS
from infra.preflights import redeploy_if_changed
from infra.prices import check_prices

PACKAGE = ROOT / "build" / "package"

# Given as empty, these are chosen again, for instances that are launched later.
_CHOSEN_AGAIN = ("ImageId", "VolumeKeyArn")
_ZONES = ("GpuZones", "FunctionZones")

Template = dict[str, Any]


class Clients(NamedTuple):
    """Clients of AWS; `functions` is that of Lambda."""

    ec2: Any
    ssm: Any
    functions: Any
    kms: Any


def deploy(
    stack: Stack,
    store: Store,
    packed: Path,
    parameters: dict[str, str],
    accept: Collection[str] = (),
) -> bool:
    """Create or update a stack from a package, without its instances; return whether it changed."""
    template = json.loads((packed / "template.json").read_text())
    store.make()
    archive, checksum = bundle()
    store.put(f"instance/{checksum}.tar.gz", archive)
    parameters = {**parameters, "BundleBucket": store.bucket, "BundleSha256": checksum}
    redeploy_if_changed(template, parameters)
    url = upload(template, packed, store)
    changed = stack.apply(url, parameters, accept=accept)
    stack.protect()
    return changed


def kept_by(stack: Stack) -> dict[str, str]:
    """Return the parameters that the next deployment keeps, also if it creates the stack again."""
    known = stack.chosen()
    if stack.status in TO_DELETE:  # its subnets are deleted, too
        return {name: value for name, value in known.items() if name not in _ZONES}
    return known


def decided(
    template: Template, given: Mapping[str, str], before: Mapping[str, str], clients: Clients
) -> dict[str, str]:
    """Return all parameters of a deployment.

    A parameter that is not given keeps the value that was chosen before, else the default. Those
    that depend on FleetMax and on the account's limit of functions are determined anew.
    """
    fleet_max = int(intended(template, given, before)["FleetMax"])
    parameters = chosen(template, given, before, clients)
    computed = concurrency(clients.functions, before, fleet_max)
    return {**parameters, **{name: computed[name] for name in computed if name not in given}}


def intended(
    template: Template, given: Mapping[str, str], before: Mapping[str, str]
) -> dict[str, str]:
    """Return all parameters as they are before anything is chosen.

    Raise DeploymentFailed if one is not known, or is not a number where it must be one.
    """
    known = template["Parameters"]
    if unknown := given.keys() - known.keys():
        raise DeploymentFailed(
            f"There is no parameter {', '.join(sorted(unknown))}: docs/configuration.md lists all"
        )
    defaults = {name: str(each["Default"]) for name, each in known.items() if "Default" in each}
    whole = {**defaults, **{name: before[name] for name in before if name in known}, **_set(given)}
    size_of(whole)
    if not whole["FleetMax"].isdecimal():
        raise DeploymentFailed(f"FleetMax takes a whole number, not {whole['FleetMax']}")
    return whole


def chosen(
    template: Template, given: Mapping[str, str], before: Mapping[str, str], clients: Clients
) -> dict[str, str]:
    """Return the parameters that are not left to the template's defaults."""
    whole = intended(template, given, before)
    again = {name for name in _CHOSEN_AGAIN if given.get(name) == ""}
    if size_of(before) == 0:  # no instance is left that has the former AMI
        again.add("ImageId")
    known = template["Parameters"]
    kept = {name: before[name] for name in before if name in known and name not in again}
    parameters = {**kept, **_set(given)}
    has_gpus = size_of(whole) > 0
    if has_gpus:
        check_prices(whole["GpuTypes"], whole["GpuPrices"])
    parameters |= _zones(given, before)
    if has_gpus and "VolumeKeyArn" not in parameters:
        parameters |= {"VolumeKeyArn": key} if (key := volume_key(clients.ec2, clients.kms)) else {}
    needed = {"FunctionZones", *(("ImageId", "GpuZones") if has_gpus else ())}
    made = choices(needed - parameters.keys(), {**whole, **parameters}, clients.ec2, clients.ssm)
    return {**parameters, **made}


def _set(given: Mapping[str, str]) -> dict[str, str]:
    """Return the given parameters without those that are to be chosen again."""
    chosen_if_empty = (*_CHOSEN_AGAIN, *_ZONES)
    return {name: value for name, value in given.items() if value or name not in chosen_if_empty}


def _zones(given: Mapping[str, str], before: Mapping[str, str]) -> dict[str, str]:
    """Return the given zones; raise DeploymentFailed if a zone that has a subnet would move or go.

    CloudFormation makes the new subnet before it deletes the old one, and both have one range.
    """
    made = {}
    for name in _ZONES:
        names, former = zones_of(given.get(name, "")), zones_of(before.get(name, ""))
        if name in given and names[: len(former)] != former:
            more = ": zones can be added, not removed" if name == "GpuZones" else ""
            raise DeploymentFailed(
                f"{name} must begin with {','.join(former)}, whose subnets exist{more}"
            )
        if names:
            made[name] = filled(names) if name == "GpuZones" else ",".join(names)
    return made


def size_of(parameters: Mapping[str, str]) -> int:
    """Return how many instances `make deploy` keeps."""
    if parameters.get("ComfyUIUrl"):
        return 0
    text = parameters.get("FleetSize", "1")
    if not text.isdecimal() or int(text) > 20:
        raise DeploymentFailed(f"FleetSize takes a whole number from 0 to 20, not {text}")
    return int(text)


def upload(template: Template, packed: Path, store: Store) -> str:
    """Store the zips and the template that refers to them; return the template's URL."""
    locate(template, {name: _stored((packed / name).read_bytes(), store) for name in ZIPS})
    text = json.dumps(template, separators=(",", ":")).encode()
    return store.put(f"template/{sha256(text).hexdigest()}.json", text)


def _stored(code: bytes, store: Store) -> str:
    key = f"code/{sha256(code).hexdigest()}.zip"
    store.put(key, code)
    return f"s3://{store.bucket}/{key}"


def locate(template: Template, locations: Mapping[str, str]) -> None:
    """Set the location of the code in each function of the template, by the name of its zip."""
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            properties = resource["Properties"]
            properties["CodeUri"] = locations[Path(properties["CodeUri"]).name]


def pairs(text: str) -> dict[str, str]:
    """Parse `NAME=VALUE NAME='VALUE WITH SPACES' …`."""
    words = shlex.split(text)
    if wrong := [word for word in words if "=" not in word]:
        raise DeploymentFailed(f"PARAMETERS takes NAME=VALUE pairs, not {' '.join(wrong)}")
    return dict(word.split("=", 1) for word in words)
