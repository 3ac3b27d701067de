"""Makes botocore and moto do once what they do again for every test.

Nothing here changes what they answer. `patch()` is called once, before any client is made.
"""

from functools import cache

import botocore.session
from moto.core import models
from moto.core.base_backend import BackendDict


def patch() -> None:
    # Each test makes its own clients, as a new Lambda process does; the service models stay.
    botocore.session.create_loader = cache(botocore.session.create_loader)
    models.MockAWS._enable_patching = _enable  # type: ignore[method-assign]
    models.MockAWS._disable_patching = _disable  # type: ignore[method-assign]


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
