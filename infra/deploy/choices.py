"""The AMI and the availability zones, which a deployment chooses once and then keeps."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import chain, cycle, islice
from typing import Any

# The newest first. infra/instance/comfyui-requirements.txt is for their Python, 3.12.
IMAGES = [
    "/aws/service/deeplearning/ami/x86_64/"
    f"oss-nvidia-driver-gpu-pytorch-{version}-ubuntu-24.04/latest/ami-id"
    for version in ("2.12", "2.11", "2.10", "2.9", "2.8")
]

SUBNETS = 6  # for instances; resources/gpu.yaml declares them
NO_ZONE = "none"
NO_IMAGE = "ami-00000000000000000"
_DEFAULT_TYPE = "g4dn.xlarge"  # if GpuTypes is empty

# Lambda has no network interfaces in these zones ("The provided subnets contain availability zone
# Lambda doesn't support"), or AWS no longer extends them. A zone's name differs between accounts.
_OLD_ZONES = {"use1-az3", "usw1-az2", "cac1-az3", "apne1-az3"}


def types_of(text: str) -> list[str]:
    """Return the instance types of GpuTypes, preferred first."""
    return [name for each in text.split(",") if (name := each.strip())] or [_DEFAULT_TYPE]


def zones_of(text: str) -> list[str]:
    """Return the zones of GpuZones."""
    return [zone for each in text.split(",") if (zone := each.strip()) not in ("", NO_ZONE)]


def choices(
    missing: Collection[str], parameters: Mapping[str, str], ec2: Any, ssm: Any
) -> dict[str, str]:
    """Return a value for each missing parameter, but for an AMI that the region does not have.

    If the region offers none of GpuTypes, there is no zone. The API works without both.
    """
    made: dict[str, str] = {}
    if "ImageId" in missing and (found := image(ssm)):
        made["ImageId"] = found
    if "GpuZones" in missing:
        types = types_of(parameters["GpuTypes"])
        made["GpuZones"] = filled(ranked(types, offers(types, zones(ec2), ec2)))
    if "FunctionZones" in missing:
        # Zones of the GPUs first, because traffic between zones costs money.
        known = {name for name, id_ in zones(ec2).items() if id_ not in _OLD_ZONES}
        gpu_zones = {**parameters, **made}["GpuZones"].split(",")
        beside = [zone for zone in gpu_zones if zone in known]
        ordered = [*dict.fromkeys([*beside, *sorted(known)])]
        made["FunctionZones"] = ",".join(islice(cycle(ordered), 2))
    return made


def filled(names: Sequence[str]) -> str:
    """Return GpuZones, which has a value for each subnet."""
    return ",".join([*names, *[NO_ZONE] * SUBNETS][:SUBNETS])


def image(ssm: Any) -> str | None:
    """Return the first AMI of IMAGES that AWS publishes in this region; None if it has none."""
    found = {
        each["Name"]: str(each["Value"]) for each in ssm.get_parameters(Names=IMAGES)["Parameters"]
    }
    return next((found[name] for name in IMAGES if name in found), None)


def no_image(ssm: Any) -> tuple[str, str]:
    """Return that the region has none of IMAGES, and the Deep Learning AMIs that it has."""
    path = "/aws/service/deeplearning/ami/x86_64"
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=path, Recursive=True)
    names = sorted(each["Name"] for page in pages for each in page["Parameters"])
    others = [name for name in names if "pytorch" in name and "ubuntu" in name][-4:]
    text = f"AWS publishes none here that Darkroom knows, but {', '.join(others) or 'no other'}"
    remedy = (
        "look up one with PyTorch, Ubuntu and Python 3.12, and deploy with"
        ' PARAMETERS="ImageId=ami-…"'
    )
    return text, remedy


def zones(ec2: Any) -> dict[str, str]:
    """Return names and ids of the region's zones. Local zones have other prices, few services."""
    filters = [{"Name": "zone-type", "Values": ["availability-zone"]}]
    described = ec2.describe_availability_zones(Filters=filters)["AvailabilityZones"]
    return {each["ZoneName"]: each["ZoneId"] for each in described if each["State"] == "available"}


def offers(types: Sequence[str], known: Collection[str], ec2: Any) -> dict[str, set[str]]:
    """Return the zones that offer each type; types that no zone offers are left out."""
    found: dict[str, set[str]] = {}
    pages = ec2.get_paginator("describe_instance_type_offerings").paginate(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": types}]
    )
    for offer in (each for page in pages for each in page["InstanceTypeOfferings"]):
        if offer["Location"] in known:
            found.setdefault(offer["InstanceType"], set()).add(offer["Location"])
    return found


def ranked(types: Sequence[str], offered: Mapping[str, set[str]]) -> list[str]:
    """Return the zones that offer a type, first those with the first type, and then with most."""
    preferred, counts = offered.get(types[0], set()), Counter(chain(*offered.values()))
    return sorted(counts, key=lambda zone: (zone not in preferred, -counts[zone], zone))
