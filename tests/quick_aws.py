"""Makes botocore and moto do once what they do again for every test: half of the suite's time.

Nothing here changes what they answer. `patch()` is called once, before any client is made.
"""

import copy
from functools import cache
from typing import Any

import botocore.session
import moto.core.responses
import moto.dynamodb.models as dynamodb
from moto.core import models
from moto.core.base_backend import BackendDict
from moto.core.serialize import AttributePickerContext, XFormedAttributePicker
from moto.dynamodb.models.dynamo_type import DynamoType


def patch() -> None:
    # Each test makes its own clients, as a new Lambda process does; the service models stay.
    botocore.session.create_loader = cache(botocore.session.create_loader)
    moto.core.responses.XFormedAttributePicker = Picker  # type: ignore[misc]
    dynamodb.copy = _Backups()  # type: ignore[assignment]
    dynamodb.DynamoDBBackend.transact_write_items = _transact  # type: ignore[method-assign]
    models.MockAWS._enable_patching = _enable  # type: ignore[method-assign]
    models.MockAWS._disable_patching = _disable  # type: ignore[method-assign]


class Picker(XFormedAttributePicker):
    """moto's DynamoDB answers with dicts in DynamoDB's own words, which need no other spelling."""

    def __call__(self, context: AttributePickerContext) -> Any:
        if context.service_model.service_name == "dynamodb" and isinstance(context.obj, dict):
            return context.obj.get(context.key)
        return super().__call__(context)


_enable_all = models.MockAWS._enable_patching


@cache
def _register() -> None:
    """Register moto's thousand URL patterns, which it otherwise does for each `mock_aws`."""
    _enable_all(models.MockAWS())
    models.responses_mock.stop(allow_assert=False)


def _enable(_mock: models.MockAWS, **_: bool) -> None:
    _register()
    models.botocore_stubber.enabled = True
    BackendDict.reset()
    models.responses_mock.start()


def _disable(_mock: models.MockAWS, *_: bool) -> None:
    models.botocore_stubber.enabled = False
    BackendDict.reset()
    models.reset_model_data()
    models.responses_mock.calls.reset()
    models.responses_mock.stop(allow_assert=False)


_transact_slowly = dynamodb.DynamoDBBackend.transact_write_items
_written: set[DynamoType] = set()  # the keys of the items of a transaction


def _transact(backend: dynamodb.DynamoDBBackend, items: list[dict[str, Any]]) -> None:
    """Have moto back up what a transaction writes, instead of its tables for each item."""
    _written.clear()
    for operation in (each for item in items for each in item.values()):
        known = operation.get("Key") or operation.get("Item", {})
        _written.update(DynamoType(each) for each in known.values() if each.keys() <= {"S", "N"})
    _transact_slowly(backend, items)


class _Backups:
    """The module `copy`, for which a copy of a table shares what a transaction does not write."""

    def __getattr__(self, name: str) -> Any:
        return getattr(copy, name)

    def deepcopy(self, value: Any) -> Any:
        if not isinstance(value, dynamodb.Table):
            return copy.deepcopy(value)
        backup = copy.copy(value)
        backup.items = value.items.copy()
        for key in _written & backup.items.keys():
            backup.items[key] = copy.deepcopy(value.items[key])
        return backup
