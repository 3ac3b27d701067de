"""A deployment has the reconciler compare the schedules with those that AWS has."""

import boto3

from chalicelib.models.schedules.comparison import Comparison
from infra.deploy.comparison import compare_again


def test_schedules_are_compared_after_a_deployment_and_not_again(aws: None) -> None:
    assert Comparison.is_due(now=1000)
    Comparison.note(now=1000)
    assert not Comparison.is_due(now=1001)
    for _ in range(2):
        compare_again(boto3.client("dynamodb"), "schedules")
    assert Comparison.is_due(now=1001)
