"""botocore's data, without what the functions do not use: most of the package, and of a cold start.

botocore reads the model of a service when it makes a client, and the list of all endpoints when it
makes the first one.
"""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Of each service, the operations that the functions call.
OPERATIONS = {
    "dynamodb": {
        "BatchGetItem",
        "DeleteItem",
        "GetItem",
        "PutItem",
        "Query",
        "Scan",
        "TransactWriteItems",
        "UpdateItem",
    },
    "ec2": {"DescribeInstances", "ModifyInstanceAttribute", "StartInstances", "StopInstances"},
    "s3": {"DeleteObjects", "GetObject", "ListObjectsV2", "PutObject"},
    "scheduler": {"CreateSchedule", "DeleteSchedule", "ListSchedules", "UpdateSchedule"},
    "sqs": {"DeleteMessage", "ReceiveMessage", "SendMessage"},
}

# Operations that botocore itself calls: where endpoint discovery is on, and to find the region of
# a bucket that is in another one.
BOTOCORES_OWN = {"dynamodb": {"DescribeEndpoints"}, "s3": {"HeadBucket"}}

_COMMON = ("_retry", "partitions", "sdk-default-configuration")


def write(source: Path, target: Path) -> None:
    """Write botocore's data, cut, to a new directory.

    SystemExit says which operation is unknown to this version of botocore.
    """
    for name in _COMMON:
        _dump(target / name, _load(source / name))
    _dump(target / "endpoints", _endpoints(_load(source / "endpoints")))
    for service in OPERATIONS:
        version = max((source / service).iterdir())  # versions are dates
        for name, cut in _CUTS.items():
            if (data := _load(version / name)) is not None:
                _dump(target / service / version.name / name, cut(data, service))


def _load(path: Path) -> Any:
    """Return the content of a file, named without its suffix; None if there is none."""
    plain, zipped = Path(f"{path}.json"), Path(f"{path}.json.gz")
    if zipped.exists():
        return json.loads(gzip.decompress(zipped.read_bytes()))
    return json.loads(plain.read_bytes()) if plain.exists() else None


def _dump(path: Path, data: Any) -> None:
    # Not compressed, as that takes longer to load, and the package is compressed itself.
    path.parent.mkdir(parents=True, exist_ok=True)
    Path(f"{path}.json").write_text(json.dumps(data, separators=(",", ":")))


def _endpoints(data: dict[str, Any]) -> dict[str, Any]:
    """Keep all partitions and regions, and the endpoints of our services in them."""
    for partition in data["partitions"]:
        partition["services"] = _only(partition["services"], OPERATIONS)
    return data


def _model(data: dict[str, Any], service: str) -> dict[str, Any]:
    """Keep the operations in use, the shapes in them, and all errors, without documentation."""
    operations = _only(data["operations"], _kept(service))
    if unknown := sorted(_kept(service) - operations.keys()):
        raise SystemExit(f"botocore has no operation {', '.join(unknown)} of {service}")
    shapes = data["shapes"]
    found = [name for name, shape in shapes.items() if shape.get("exception")]
    found += _shapes_in(operations)
    kept = set()
    while found:
        if (name := found.pop()) not in kept:
            kept.add(name)
            found += _shapes_in(shapes[name])
    # `clientContextParams` keeps its documentation, which botocore demands.
    return data | _undocumented({"operations": operations, "shapes": _only(shapes, kept)})


def _paginators(data: dict[str, Any], service: str) -> dict[str, Any]:
    return {**data, "pagination": _only(data["pagination"], _kept(service))}


def _extra_paginators(data: dict[str, Any], service: str) -> dict[str, Any]:
    return {**data, "merge": _paginators(data["merge"], service)}


def _whole(data: dict[str, Any], _service: str) -> dict[str, Any]:
    return data


# What a service has besides is not used: waiters and examples.
_CUTS: dict[str, Callable[[dict[str, Any], str], dict[str, Any]]] = {
    "service-2": _model,
    "service-2.sdk-extras": _whole,
    "paginators-1": _paginators,
    "paginators-1.sdk-extras": _extra_paginators,
    "endpoint-rule-set-1": _whole,
}


def _kept(service: str) -> set[str]:
    return OPERATIONS[service] | BOTOCORES_OWN.get(service, set())


def _only(data: dict[str, Any], names: Any) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name in names}


def _shapes_in(node: Any) -> Iterator[str]:
    """Yield the names of the shapes that a part of a model refers to."""
    children = node.items() if isinstance(node, dict) else enumerate(node)
    for name, child in children:
        if name == "shape" and isinstance(child, str):
            yield child
        elif isinstance(child, dict | list):
            yield from _shapes_in(child)


def _undocumented(node: Any) -> Any:
    """Return a part of a model without documentation; members of that name are kept."""
    if isinstance(node, list):
        return [_undocumented(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        name: _undocumented(child)
        for name, child in node.items()
        if name != "documentation" or not isinstance(child, str)
    }
