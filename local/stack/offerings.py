"""DescribeInstanceTypeOfferings of EC2, which the emulator lacks."""

from collections.abc import Mapping
from typing import Any

from ministack.services import ec2

# A type is offered in every zone, but one that has this in its name nowhere.
_NOWHERE = "metal"


def mend() -> None:
    """Answer DescribeInstanceTypeOfferings."""
    ec2._ACTION_MAP["DescribeInstanceTypeOfferings"] = _describe


def _describe(asked: Mapping[str, Any]) -> Any:
    names = [name for name in asked if name.startswith("Filter.1.Value.")]
    types = [ec2._p(asked, name) for name in names]
    region = ec2.get_region()
    items = "".join(
        f"<item><instanceType>{each}</instanceType><location>{region}{zone}</location>"
        "<locationType>availability-zone</locationType></item>"
        for each in types
        if _NOWHERE not in each
        for zone in "abc"
    )
    return ec2._xml(
        200,
        "DescribeInstanceTypeOfferingsResponse",
        f"<instanceTypeOfferingSet>{items}</instanceTypeOfferingSet>",
    )
