"""Lambda's recursive loop detection through queues, which the emulator has for direct calls only.

A function's calls carry the number of runs in their chain in a header, which botocore adds.
"""

from typing import Any

from ministack.services import lambda_svc, sqs
from ministack.services.cloudformation import provisioners

_DEPTH = "Depth"  # beside the system attributes of a message; ReceiveMessage does not return it

_answered = sqs.handle_request
_built = sqs._build_send_sys_attrs
_ran = lambda_svc._run_sqs_batch
_FUNCTION = provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"]
_created, _updated = _FUNCTION["create"], _FUNCTION["update"]

Properties = dict[str, Any]


def mend() -> None:
    """Count the runs of a chain through queues, and obey the property RecursiveLoop."""
    sqs.handle_request = _answer
    sqs._build_send_sys_attrs = _attributes
    lambda_svc._run_sqs_batch = _run
    _FUNCTION.update(create=_create, update=_update)


async def _answer(method: str, path: str, headers: dict[str, str], *more: Any) -> Any:
    lambda_svc._invoke_depth.set(lambda_svc._inbound_invoke_depth(headers))
    return await _answered(method, path, headers, *more)


def _attributes(*given: Any) -> dict[str, Any]:
    return {**_built(*given), _DEPTH: lambda_svc._invoke_depth.get()}


def _run(
    mapping: dict[str, Any], function: dict[str, Any], event: Any, batch: Any, *to: Any
) -> None:
    """Invoke a function, unless its chain is too long: then its messages stay invisible."""
    depth = 1 + max(message["sys"].get(_DEPTH, 0) for message in batch)
    if lambda_svc._recursive_loop_drop(mapping["FunctionName"], function, depth) is None:
        lambda_svc._invoke_depth.set(depth)
        _ran(mapping, function, event, batch, *to)


def _create(logical_id: str, properties: Properties, stack: str) -> Any:
    return _obeying(properties, _created(logical_id, properties, stack))


def _update(physical_id: str, old: Properties, new: Properties, *more: Any) -> Any:
    return _obeying(new, _updated(physical_id, old, new, *more))


def _obeying(properties: Properties, made: Any) -> Any:
    name, *_ = made
    loop = properties.get("RecursiveLoop", "Terminate")
    lambda_svc._functions[name]["recursive_loop"] = loop
    return made
