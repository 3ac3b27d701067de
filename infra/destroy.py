"""Delete a deployment; its data stays unless that is asked for too.

python -m infra.destroy STACK [--data]
"""

import argparse
from typing import Any

import boto3

from infra.stack import Refused, Stack

_KINDS = {"AWS::DynamoDB::Table": "table", "AWS::S3::Bucket": "bucket"}


def data_of(stack: Stack, cloudformation: Any) -> list[tuple[str, str]]:
    """List the tables and buckets of a stack, as kind and name."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack.name)
    return [
        (_KINDS[each["ResourceType"]], each["PhysicalResourceId"])
        for page in pages
        for each in page["StackResourceSummaries"]
        if each["ResourceType"] in _KINDS
    ]


def delete_data(data: list[tuple[str, str]], session: Any) -> None:
    """Delete tables and buckets with all that is in them."""
    for kind, name in data:
        if kind == "table":
            session.client("dynamodb").delete_table(TableName=name)
        else:
            bucket = session.resource("s3").Bucket(name)
            bucket.object_versions.delete()
            bucket.objects.delete()
            bucket.delete()


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="infra.destroy", description="Delete a deployment")
    parser.add_argument("stack")
    parser.add_argument("--data", action="store_true", help="delete images, jobs and keys, too")
    asked = parser.parse_args()
    session = boto3.Session()
    cloudformation = session.client("cloudformation")
    stack = Stack(asked.stack, cloudformation)
    try:
        if not stack.describe():
            raise Refused(f"there is no stack {asked.stack}")
        data = data_of(stack, cloudformation)
        stack.delete()
    except Refused as reason:
        raise SystemExit(f"Not deleted: {reason}") from None
    if asked.data:
        delete_data(data, session)
    for kind, name in data:
        print(f"{'deleted' if asked.data else 'kept'}: {kind} {name}")


if __name__ == "__main__":
    main()
