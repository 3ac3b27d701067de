"""Delete a deployment, and its tables and images only if `--data delete` is given.

python -m infra.deploy.destroy STACK [--data delete]
"""

import argparse
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from infra.aws import connect, run
from infra.deploy.fleet import Fleet
from infra.deploy.instances import Instances
from infra.deploy.remedies import NETWORK
from infra.deploy.resource import BUCKET, TABLE, Resource
from infra.deploy.stack import Stack
from infra.deployed import absent

_DATA = (TABLE, BUCKET)
_GONE = ("ResourceNotFoundException", "NoSuchBucket")  # deleted by hand before


def destroy(stack: Stack, fleet: Fleet) -> list[Resource]:
    """Terminate the instances, and delete the stack; return what stays: tables, bucket, others."""
    if stack.status is None:
        raise absent(stack.name)
    stack.say(f"Deleting {stack.name}. {NETWORK}.")
    fleet.shrink(0)
    return stack.delete()


def delete_data(left: Iterable[Resource], dynamodb: Any, s3: Any) -> list[Resource]:
    """Delete the tables, and the buckets with all versions of their objects; return the others."""
    for resource in left:
        try:
            if resource.kind == TABLE:
                dynamodb.delete_table(TableName=resource.id)
            elif resource.kind == BUCKET:
                _delete_bucket(resource.id, s3)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _GONE:
                raise
    return [each for each in left if each.kind not in _DATA]


def _delete_bucket(bucket: str, s3: Any) -> None:
    for batch in _objects(bucket, s3):
        s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
    s3.delete_bucket(Bucket=bucket)


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
    account = connect()
    say = partial(print, flush=True)
    stack = Stack(account.client("cloudformation"), asked.stack, say=say)
    fleet = Fleet(Instances(account.client("ec2"), stack.name), say)
    left = destroy(stack, fleet)
    for resource in left:  # said first, as their deletion may fail, and the stack is gone
        say(f"  left: {resource.removal}")
    if asked.data == "delete":
        kept = delete_data(left, account.client("dynamodb"), account.client("s3"))
        for resource in left:
            say(f"  {'kept' if resource in kept else 'deleted'}: {resource.id}")


if __name__ == "__main__":
    run(main)
