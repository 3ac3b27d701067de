"""Delete a deployment, and its tables and images only if `--data delete` is given.

python -m infra.deploy.destroy STACK [--data delete]
"""

import argparse
import sys
from collections.abc import Iterator
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.deploy.stack import DeploymentFailed, Stack

_TABLE, _BUCKET = "AWS::DynamoDB::Table", "AWS::S3::Bucket"


def destroy(stack: Stack) -> list[tuple[str, str]]:
    """Delete the stack; return type and id of each table and bucket that it leaves."""
    if stack.status is None:
        raise DeploymentFailed(
            f"There is no stack {stack.name}: check STAGE, and the AWS account and region"
        )
    found = list(stack.resources())
    stack.delete()
    return [(kind, id_) for _, kind, id_ in found if kind in (_TABLE, _BUCKET) and id_]


def delete_data(left: list[tuple[str, str]], dynamodb: Any, s3: Any) -> None:
    """Delete tables, and buckets with all versions of their objects."""
    for kind, id_ in left:
        if kind == _TABLE:
            dynamodb.delete_table(TableName=id_)
            continue
        for batch in _objects(id_, s3):
            s3.delete_objects(Bucket=id_, Delete={"Objects": batch, "Quiet": True})
        s3.delete_bucket(Bucket=id_)


def _objects(bucket: str, s3: Any) -> Iterator[list[dict[str, str]]]:
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if found:
            yield [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m infra.deploy.destroy")
    options.add_argument("stack")
    options.add_argument("--data", choices=["keep", "delete"], default="keep")
    asked = options.parse_args()
    stack = Stack(boto3.client("cloudformation"), asked.stack)
    print(
        f"Deleting {stack.name}. Can take half an hour, until Lambda frees its network interfaces."
    )
    left = destroy(stack)
    if asked.data == "delete":
        delete_data(left, boto3.client("dynamodb"), boto3.client("s3"))
    for _, id_ in left:
        print(f"  {'deleted' if asked.data == 'delete' else 'kept'}: {id_}")


if __name__ == "__main__":
    try:
        main()
    except (DeploymentFailed, BotoCoreError, ClientError) as failure:
        sys.exit(str(failure))
