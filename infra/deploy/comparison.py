"""Have the reconciler compare the schedules with those that AWS has, after a deployment."""

from typing import Any

# The id of `chalicelib.models.schedules.comparison`, which reads the configuration of functions.
_COMPARISON = "comparison"


def compare_again(dynamodb: Any, table: str) -> None:
    """Forget when they were last compared: the reconciler compares them within a minute."""
    dynamodb.delete_item(TableName=table, Key={"id": {"S": _COMPARISON}})
