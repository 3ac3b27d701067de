"""Run the AWS emulator, with patches where it differs from AWS.

python -m local.stack.aws, in the emulator's own environment
"""

from typing import Any

from ministack.app import main
from ministack.core.lambda_runtime import Worker
from ministack.services import apigateway_v1, lambda_svc

from local.stack import bucket_cors, compression, offerings, recursion, scheduler


class _NoAnswer(Exception):
    """The function was throttled, failed, or died."""


_shaped = apigateway_v1._lambda_proxy_response
_invoked = apigateway_v1._invoke_lambda_proxy_v1


def _answer_of(result: dict[str, Any]) -> Any:
    if result.get("throttle") or result.get("error"):
        raise _NoAnswer
    return _shaped(result)


async def _invoke(*given: Any, **named: Any) -> Any:
    """Return a gateway response, which a template can customize, if a function does not answer."""
    try:
        return await _invoked(*given, **named)
    except _NoAnswer:
        return apigateway_v1._gw_error("INTEGRATION_FAILURE", "Internal server error")


_workers = lambda_svc._sqs_esm_concurrency


def _concurrency(mapping: dict[str, Any], *given: Any) -> int:
    """Convert the values of ScalingConfig to numbers: parameters of a stack are strings."""
    scaling = {name: int(value) for name, value in (mapping.get("ScalingConfig") or {}).items()}
    return _workers({**mapping, "ScalingConfig": scaling}, *given)


_ran = Worker.invoke


def _run(process: Any, *given: Any, **named: Any) -> Any:
    """Report a process that dies while it starts: else all others of its function are ended."""
    try:
        return _ran(process, *given, **named)
    except RuntimeError as error:
        return {"status": "error", "error": str(error)}


Worker.invoke = _run
lambda_svc._sqs_esm_concurrency = _concurrency
apigateway_v1._lambda_proxy_response = _answer_of
apigateway_v1._invoke_lambda_proxy_v1 = _invoke
scheduler.mend()
recursion.mend()
offerings.mend()
bucket_cors.mend()
compression.mend()

if __name__ == "__main__":
    main()
