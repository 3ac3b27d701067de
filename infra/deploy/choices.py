"""The AMI and the availability zones, which a deployment chooses once and then keeps."""

from collections.abc import Collection, Mapping, Sequence
from itertools import cycle, islice
from typing import Any

from infra.deploy.stack import DeploymentFailed

IMAGE = (
    "/aws/service/deeplearning/ami/x86_64/"
    "oss-nvidia-driver-gpu-pytorch-2.12-ubuntu-24.04/latest/ami-id"
)

_GPUS = 4  # instances that the template declares


def choices(
    missing: Collection[str], parameters: Mapping[str, str], ec2: Any, ssm: Any
) -> dict[str, str]:
    """Return a value for each missing parameter.

    Raise DeploymentFailed if the region does not offer the first of GpuTypes.
    """
    made: dict[str, str] = {}
    if "ImageId" in missing:
        made["ImageId"] = str(ssm.get_parameter(Name=IMAGE)["Parameter"]["Value"])
    if "GpuZones" in missing:
        types = [name for each in parameters["GpuTypes"].split(",") if (name := each.strip())]
        made["GpuZones"] = ",".join(islice(cycle(_offering(types, _zones(ec2), ec2)), _GPUS))
    if "FunctionZones" in missing:
        # Zones of the GPUs first, because traffic between zones costs money.
        zones, gpu_zones = sorted(_zones(ec2)), {**parameters, **made}["GpuZones"].split(",")
        beside = [zone for zone in gpu_zones if zone in zones]
        made["FunctionZones"] = ",".join([*dict.fromkeys([*beside, *zones])][:2])
    return made


def _zones(ec2: Any) -> set[str]:
    """Return the region's availability zones. Local zones have other prices and few services."""
    filters = [{"Name": "zone-type", "Values": ["availability-zone"]}]
    described = ec2.describe_availability_zones(Filters=filters)["AvailabilityZones"]
    return {each["ZoneName"] for each in described if each["State"] == "available"}


def _offering(types: Sequence[str], zones: set[str], ec2: Any) -> list[str]:
    """Return the zones that offer the first type, those that offer most of the others first."""
    offers: dict[str, set[str]] = {}
    pages = ec2.get_paginator("describe_instance_type_offerings").paginate(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": types}]
    )
    for offer in (each for page in pages for each in page["InstanceTypeOfferings"]):
        if offer["Location"] in zones:
            offers.setdefault(offer["InstanceType"], set()).add(offer["Location"])
    found = offers.get(types[0], set())
    if not found:
        others = ", ".join(sorted(offers)) or "none"
        raise DeploymentFailed(
            f"This region does not offer {types[0]}. Types of GpuTypes that it offers: {others}."
            " Set other GpuTypes, or FleetSize=0"
        )
    counts = {zone: sum(zone in each for each in offers.values()) for zone in found}
    return sorted(found, key=lambda zone: (-counts[zone], zone))
