"""The instance metadata service, version 2."""

import json
from collections.abc import Mapping

from tests.machine.cloud.folder import Folder
from tests.machine.cloud.messages import Answer, Request

ADDRESS, REGION, MAC = "169.254.169.254", "eu-west-1", "52:54:00:12:34:56"
INSTANCE = "i-0123456789abcdef0"

_TOKEN = "a-token"
_HOST, _IP = "ip-10-73-16-15", "10.73.16.15"

Tree = Mapping[str, "Tree | str"]

_DOCUMENT = {
    "region": REGION,
    "instanceId": INSTANCE,
    "accountId": "123456789012",
    "availabilityZone": f"{REGION}a",
    "instanceType": "g6.xlarge",
    "architecture": "x86_64",
    "imageId": "ami-00000000000000000",
}
_CREDENTIALS = {
    "Code": "Success",
    "Type": "AWS-HMAC",
    "AccessKeyId": "ASIAEXAMPLE",
    "SecretAccessKey": "secret",
    "Token": "session",
    "LastUpdated": "2026-01-01T00:00:00Z",
    "Expiration": "2099-01-01T00:00:00Z",
}
_INTERFACE = {
    "device-number": "0",
    "local-ipv4s": _IP,
    "mac": MAC,
    "interface-id": "eni-0",
    "subnet-ipv4-cidr-block": "10.73.16.0/24",
    "local-hostname": _HOST,
}
_TREE: Tree = {
    "meta-data": {
        "ami-id": "ami-00000000000000000",
        "hostname": _HOST,
        "local-hostname": _HOST,
        "instance-id": INSTANCE,
        "instance-type": "g6.xlarge",
        "local-ipv4": _IP,
        "mac": MAC,
        "placement": {"availability-zone": f"{REGION}a", "region": REGION},
        "security-groups": "gpu",
        "services": {"domain": "amazonaws.com", "partition": "aws"},
        "iam": {
            "security-credentials": {"role": json.dumps(_CREDENTIALS)},
            "info": json.dumps({"Code": "Success"}),
        },
        "network": {"interfaces": {"macs": {MAC: _INTERFACE}}},
    },
    "dynamic": {"instance-identity": {"document": json.dumps(_DOCUMENT)}},
}


def answer(folder: Folder, request: Request) -> Answer:
    """Answer as the service does when it requires tokens."""
    if request.method == "PUT":
        return Answer(
            body=_TOKEN.encode(), headers={"X-aws-ec2-metadata-token-ttl-seconds": "21600"}
        )
    if request.header("X-aws-ec2-metadata-token") != _TOKEN:
        return Answer(401)
    _version, _, path = request.path.partition("/")
    if path == "user-data":
        return Answer(body=folder.user_data.read_bytes())
    return _item([part for part in path.split("/") if part])


def _item(parts: list[str]) -> Answer:
    found: Tree | str = _TREE
    for part in parts:
        if isinstance(found, str) or part not in found:
            return Answer(404)
        found = found[part]
    text = found if isinstance(found, str) else "\n".join(map(_listed, found.items()))
    return Answer(body=text.encode())


def _listed(item: tuple[str, Tree | str]) -> str:
    name, value = item
    return name if isinstance(value, str) else f"{name}/"
