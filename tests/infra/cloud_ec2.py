"""Fakes of the parts of EC2, SSM and KMS that a deployment calls."""

from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from infra.deploy.choices import IMAGES

IMAGE_ID = "ami-0123456789abcdef0"


def refusal(code: str, message: str = "", operation: str = "RunInstances") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


class Ec2:
    """Zones a, b and c, of which Lambda does not know `old`, and the zones of each type.

    L is a zone of another kind. `refuses` has the error of each type and zone that EC2 refuses;
    `ends` has the reason why what it launches there is terminated.
    """

    def __init__(self, **zones_of: str) -> None:
        self.zones_of = zones_of or {"g6_xlarge": "bcL", "g5_xlarge": "abc"}
        self.old = ""
        self.key = "alias/aws/ebs"
        self.refuses: dict[tuple[str, str], str] = {}
        self.ends: dict[tuple[str, str], str] = {}
        self.tried: list[str] = []
        self.instances: dict[str, dict[str, Any]] = {}
        self.late = 0  # how often EC2 refuses to describe an instance that it has just launched
        self.error = "InvalidInstanceID.NotFound"

    def describe_availability_zones(self, **asked: Any) -> Any:
        assert asked["Filters"] == [{"Name": "zone-type", "Values": ["availability-zone"]}]
        names = {letter: ("r-1" + letter, "available") for letter in "cab"} | {
            "d": ("r-1d", "unavailable")
        }
        return {
            "AvailabilityZones": [
                {"ZoneName": name, "State": state, "ZoneId": self._id(letter)}
                for letter, (name, state) in names.items()
            ]
        }

    def _id(self, letter: str) -> str:
        return "use1-az3" if letter in self.old else f"r1-az-{letter}"

    def get_ebs_default_kms_key_id(self) -> Any:
        if not self.key:
            raise refusal("UnauthorizedOperation", operation="GetEbsDefaultKmsKeyId")
        return {"KmsKeyId": self.key}

    def describe_instance_types(self, **asked: Any) -> Any:
        return {
            "InstanceTypes": [{"VCpuInfo": {"DefaultVCpus": 4}} for _ in asked["InstanceTypes"]]
        }

    def run_instances(self, **asked: Any) -> Any:
        assert asked["LaunchTemplate"] == {"LaunchTemplateId": "lt-1", "Version": "$Latest"}
        place = (asked["InstanceType"], asked["SubnetId"])
        self.tried.append(" ".join(place))
        if code := self.refuses.get(place) or self.refuses.get((place[0], "*")):
            raise refusal(code, f"{code} said")
        id_ = f"i-{len(self.instances) + 1}"
        tags = next(
            t["Tags"] for t in asked["TagSpecifications"] if t["ResourceType"] == "instance"
        )
        end = self.ends.get(place)
        reason = {"StateReason": {"Code": end, "Message": f"{end}: told"}} if end else {}
        state = "terminated" if end else "running"
        self.instances[id_] = {
            "InstanceId": id_, "Tags": tags, "State": {"Name": state}, **reason,
        }  # fmt: skip
        return {"Instances": [{"InstanceId": id_}]}

    def terminate_instances(self, **asked: Any) -> None:
        for id_ in asked["InstanceIds"]:
            self.instances[id_]["State"] = {"Name": "terminated"}

    def get_paginator(self, operation: str) -> Any:
        return {
            "describe_instance_type_offerings": _Pages(self._offerings),
            "describe_instances": _Pages(self._described),
        }[operation]

    def _offerings(self, **asked: Any) -> Iterator[Any]:
        [wanted] = asked["Filters"]
        for name, letters in self.zones_of.items():
            kind = name.replace("_", ".")
            if kind in wanted["Values"]:
                yield {
                    "InstanceTypeOfferings": [
                        {"InstanceType": kind, "Location": f"r-1{letter}"} for letter in letters
                    ]
                }

    def _described(self, **asked: Any) -> Iterator[Any]:
        for id_ in asked.get("InstanceIds", []):
            if self.late:
                self.late -= 1
                raise refusal(self.error)
            yield {"Reservations": [{"Instances": [self.instances[id_]]}]}
        if filters := asked.get("Filters"):
            wanted = {each["Name"]: each["Values"] for each in filters}
            alive = [each for each in self.instances.values() if _matches(each, wanted)]
            yield {"Reservations": [{"Instances": alive}]}


def _matches(instance: Mapping[str, Any], wanted: Mapping[str, list[str]]) -> bool:
    tags = {each["Key"]: each["Value"] for each in instance["Tags"]}
    return (
        tags.get("darkroom:fleet") in wanted["tag:darkroom:fleet"]
        and set(wanted["tag-key"]) <= tags.keys()
        and instance["State"]["Name"] in wanted["instance-state-name"]
    )


class _Pages:
    def __init__(self, paginate: Any) -> None:
        self.paginate = paginate


class Ssm:
    """An SSM that publishes some of the AMIs that Darkroom knows, and others."""

    def __init__(self, *known: str) -> None:
        self.known = known or IMAGES[:1]
        self.asked = 0

    def get_parameters(self, **asked: Any) -> Any:
        self.asked += 1
        found = [name for name in self.known if name in asked["Names"]]
        return {"Parameters": [{"Name": name, "Value": IMAGE_ID} for name in reversed(found)]}

    def get_paginator(self, operation: str) -> Any:
        assert operation == "get_parameters_by_path"
        return _Pages(lambda **_: [{"Parameters": [{"Name": name} for name in self.known]}])


class Kms:
    """A KMS with one customer-managed key."""

    ARN = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd"

    def __init__(self, manager: str = "CUSTOMER") -> None:
        self.manager = manager

    def describe_key(self, **_: str) -> Any:
        if not self.manager:
            raise refusal("AccessDeniedException", operation="DescribeKey")
        return {"KeyMetadata": {"KeyManager": self.manager, "Arn": self.ARN}}
