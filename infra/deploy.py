"""Deploy on AWS, or bring a deployment up to date.

python -m infra.deploy STACK [--replace] [Parameter=value …]
"""

import argparse
import json
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from infra.bundle import bundle
from infra.package import package
from infra.stack import Parameters, Refused, Stack

# The AWS Deep Learning AMI with the NVIDIA driver and PyTorch (infra/instance/README.md).
AMI = (
    "/aws/service/deeplearning/ami/x86_64/"
    "oss-nvidia-driver-gpu-pytorch-2.9-ubuntu-24.04/latest/ami-id"
)

Template = dict[str, Any]


def deploy(stack: Stack, session: Any, given: Parameters, *, replace: bool = False) -> None:
    """Build everything, put it into the deployment bucket, and make the stack of it.

    Raise Refused, with the stack as it was, if that cannot be.
    """
    s3, bucket = session.client("s3"), deployment_bucket(session)
    with tempfile.TemporaryDirectory() as made:
        package(Path(made))
        code = upload(s3, bucket, "functions", Path(made, "deployment.zip").read_bytes(), "zip")
        template: Template = json.loads(Path(made, "template.json").read_text())
    point_to(template, f"s3://{bucket}/{code}")
    packed, checksum = bundle()
    chosen = {
        "BundleBucket": bucket,
        "BundleKey": upload(s3, bucket, "instance", packed, "tar.gz"),
        "BundleSha256": checksum,
        **given,
    }
    if not stack.describe():
        chosen = {**first_choices(session, template, given), **chosen}
    body = json.dumps(template, separators=(",", ":")).encode()
    key = upload(s3, bucket, "templates", body, "json")
    url = f"{s3.meta.endpoint_url}/{bucket}/{key}"
    stack.apply(url, set(template["Parameters"]), chosen, replace=replace)


def point_to(template: Template, code_uri: str) -> None:
    """Have all functions run the uploaded code."""
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = code_uri


def upload(s3: Any, bucket: str, folder: str, content: bytes, kind: str) -> str:
    """Store content under its own checksum and return the key: a change is another key."""
    key = f"{folder}/{sha256(content).hexdigest()}.{kind}"
    s3.put_object(Bucket=bucket, Key=key, Body=content)
    return key


def deployment_bucket(session: Any) -> str:
    """Return the account's bucket for deployments in this region, made if there is none."""
    s3, region = session.client("s3"), session.region_name
    bucket = (
        f"darkroom-deployments-{session.client('sts').get_caller_identity()['Account']}-{region}"
    )
    place = {} if region == "us-east-1" else {"LocationConstraint": region}
    try:
        s3.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": place} if place else {}))
    except ClientError as error:
        if error.response["Error"]["Code"] != "BucketAlreadyOwnedByYou":
            raise
    s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration=dict.fromkeys(
            ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"),
            True,
        ),
    )
    return bucket


def first_choices(session: Any, template: Template, given: Parameters) -> Parameters:
    """Choose what a stack keeps for its whole life: another AMI or zone would replace its GPUs."""
    values = {name: str(each.get("Default", "")) for name, each in template["Parameters"].items()}
    values |= given
    if values["FleetSize"] == "0":
        return {}
    instance_type = given.get("InstanceType") or values["GpuTypes"].partition(",")[0].strip()
    instance_type = instance_type or values["InstanceType"]
    chosen = {"InstanceType": instance_type}
    if "GpuZone" not in given:
        chosen["GpuZone"] = _zone(session, instance_type)
    if "ImageId" not in given:
        chosen["ImageId"] = session.client("ssm").get_parameter(Name=AMI)["Parameter"]["Value"]
    return chosen


def _zone(session: Any, instance_type: str) -> str:
    offered = session.client("ec2").describe_instance_type_offerings(
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": [instance_type]}],
    )["InstanceTypeOfferings"]
    if not offered:
        raise Refused(f"{session.region_name} has no {instance_type}; set InstanceType or GpuTypes")
    return min(str(each["Location"]) for each in offered)


def _parameter(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not (name and separator):
        raise argparse.ArgumentTypeError(f"{text!r} is not Parameter=value")
    return name, value


def main() -> None:
    """Do what the command line says, and print what there is now."""
    parser = argparse.ArgumentParser(prog="infra.deploy", description="Deploy on AWS")
    parser.add_argument("stack")
    parser.add_argument("parameters", nargs="*", type=_parameter)
    parser.add_argument("--replace", action="store_true", help="allow what loses data")
    asked = parser.parse_args()
    session = boto3.Session()
    stack = Stack(asked.stack, session.client("cloudformation"))
    try:
        deploy(stack, session, dict(asked.parameters), replace=asked.replace)
    except Refused as reason:
        raise SystemExit(f"Not deployed: {reason}") from None
    for name, value in stack.outputs().items():
        print(f"{name:<24} {value}")
    print(f"\nNext: make key STACK={asked.stack} NAME=me SCOPES=admin")


if __name__ == "__main__":
    main()
