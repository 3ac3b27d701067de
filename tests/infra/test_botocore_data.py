"""The package has what its calls need of botocore's data, and calls the same endpoints with it."""

import ast
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import botocore
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, OperationNotPageableError
from botocore.loaders import Loader
from botocore.session import Session

from chalicelib.gateways import client_options
from chalicelib.gateways.signed_links import SignedLinks
from infra import botocore_data
from infra.botocore_data import BOTOCORES_OWN, OPERATIONS, write

ROOT = Path(__file__).parents[2]
FULL = Path(botocore.__file__).parent / "data"

# Of each partition; EC2 has no dual-stack endpoint in some of them.
REGIONS = (
    "us-east-1",
    "eu-central-1",
    "eu-central-2",
    "ap-northeast-3",
    "ca-west-1",
    "mx-central-1",
    "cn-north-1",
    "cn-northwest-1",
    "us-gov-west-1",
    "eusc-de-east-1",
    "us-iso-east-1",
    "us-isob-east-1",
)

# A call of each service.
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "dynamodb": ("get_item", {"TableName": "jobs", "Key": {"id": {"S": "a"}}}),
    "ec2": ("describe_instances", {}),
    "s3": ("put_object", {"Bucket": "images", "Key": "images/a/0.png"}),
    "scheduler": ("list_schedules", {}),
    "sqs": ("send_message", {"QueueUrl": "https://q.example/1/jobs", "MessageBody": "a"}),
}

# What PynamoDB calls for its methods and classes.
OF_PYNAMODB = {
    "_batch_get_page": "BatchGetItem",
    "batch_get": "BatchGetItem",
    "batch_write": "BatchWriteItem",
    "count": "Query",
    "create_table": "CreateTable",
    "delete": "DeleteItem",
    "delete_table": "DeleteTable",
    "describe_table": "DescribeTable",
    "get": "GetItem",
    "query": "Query",
    "refresh": "GetItem",
    "save": "PutItem",
    "scan": "Scan",
    "TransactGet": "TransactGetItems",
    "TransactWrite": "TransactWriteItems",
    "update": "UpdateItem",
    "update_ttl": "UpdateTimeToLive",
}


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Session:
    directory = tmp_path_factory.mktemp("data")
    write(FULL, directory)
    return session(directory)


@pytest.fixture(scope="module")
def full() -> Session:
    return session(FULL)


def session(data: Path) -> Session:
    loader = Loader([str(data)], include_default_search_paths=False)
    # botocore takes other directories for a user's own endpoints, which its rules do not apply to.
    loader.BUILTIN_DATA_PATH = str(data)
    made = Session()
    made.register_component("data_loader", loader)
    made.set_credentials("AKIAEXAMPLE", "secret", "token")
    return made


def client(of: Session, service: str, region: str = "us-east-1", **options: Any) -> Any:
    # The tests' environment has an endpoint where nothing answers. botocore changes options.
    config = Config(ignore_configured_endpoint_urls=True, **deepcopy(options))
    return of.create_client(service, region, config=config)


def called(directory: str) -> set[str]:
    """Return the names and texts in the code of a part of the product, as calls have them."""
    return {
        name
        for path in (ROOT / "chalicelib" / directory).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in _names(node)
    }


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value  # of a paginator or a signed URL


@pytest.mark.parametrize("service", sorted(OPERATIONS.keys() - {"dynamodb"}))
def test_the_operations_of_the_gateways_are_kept_and_no_others(full: Session, service: str) -> None:
    names = called("gateways")
    operations = client(full, service).meta.service_model.operation_names
    used = {operation for operation in operations if xform_name(operation) in names}
    missing, excess = used - OPERATIONS[service], OPERATIONS[service] - used
    assert not missing, f"infra/botocore_data.py does not keep {missing} of {service}"
    assert not excess, f"infra/botocore_data.py keeps {excess} of {service}, which nothing calls"


def test_the_operations_of_the_tables_are_kept_and_no_others() -> None:
    names = called("models") | called("services")
    used = {operation for name, operation in OF_PYNAMODB.items() if name in names}
    assert used == OPERATIONS["dynamodb"]


def test_no_waiter_is_used_as_none_is_kept() -> None:
    assert "get_waiter" not in called(".")


@pytest.mark.parametrize("service", OPERATIONS)
def test_clients_have_the_operations_of_the_list_with_the_same_parameters_and_errors(
    cut: Session, full: Session, service: str
) -> None:
    ours, theirs = (client(each, service) for each in (cut, full))
    kept = OPERATIONS[service] | BOTOCORES_OWN.get(service, set())
    assert {*ours.meta.service_model.operation_names} == kept
    for operation in kept:
        assert described(ours, operation) == described(theirs, operation)
        assert is_pageable(ours, operation) == is_pageable(theirs, operation)
    names = [
        {error.name for error in each.meta.service_model.error_shapes} for each in (ours, theirs)
    ]
    assert names[0] == names[1]


def described(of: Any, operation: str) -> list[Any]:
    """Return the parameters and the answer of an operation."""
    model = of.meta.service_model.operation_model(operation)
    return [inside(each) for each in (model.input_shape, model.output_shape) if each]


def inside(shape: Any, seen: tuple[str, ...] = ()) -> Any:
    """Return a shape with all that is in it, without its documentation."""
    if shape.name in seen:
        return shape.name
    seen = (*seen, shape.name)
    parts = {
        "structure": lambda: {name: inside(each, seen) for name, each in shape.members.items()},
        "list": lambda: inside(shape.member, seen),
        "map": lambda: [inside(each, seen) for each in (shape.key, shape.value)],
    }
    content = parts.get(shape.type_name, lambda: None)()
    return shape.name, shape.type_name, shape.serialization, shape.metadata, content


def is_pageable(of: Any, operation: str) -> bool:
    try:
        of.get_paginator(xform_name(operation))
    except OperationNotPageableError:
        return False
    return True


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("options", [{}, {"use_dualstack_endpoint": True}], ids=["IPv4", "dual"])
def test_every_service_is_called_at_the_same_endpoint(
    cut: Session, full: Session, region: str, options: dict[str, Any]
) -> None:
    for service in OPERATIONS:
        urls = [endpoint(each, service, region, options) for each in (cut, full)]
        assert urls[0] == urls[1]


def endpoint(of: Session, service: str, region: str, options: dict[str, Any]) -> Any:
    """Return the signed URL of a call, without what depends on the time; or botocore's error."""
    options = {**options, **(client_options.S3 if service == "s3" else {})}
    name, params = CALLS[service]
    try:
        made = client(of, service, region, **options)
        url = urlsplit(made.generate_presigned_url(name, Params=params))
    except BotoCoreError as error:
        return repr(error)
    query = dict(parse_qsl(url.query))
    for each in ("X-Amz-Date", "X-Amz-Signature"):
        assert query.pop(each)
    return url.scheme, url.netloc, url.path, query


@pytest.mark.parametrize("region", REGIONS)
def test_links_to_images_are_the_same(cut: Session, full: Session, region: str) -> None:
    links = [
        SignedLinks(
            client(each, "s3", region, **client_options.S3),
            each.get_credentials(),
            "images",
            seconds=3600,
            clock=lambda: 1_800_000_000.0,
        ).link("GET", "images/a/0 ü.png", {"versionId": "7"})
        for each in (cut, full)
    ]
    assert links[0] == links[1]
    assert links[0].startswith("https://images.s3.")


def test_all_partitions_and_regions_are_kept(cut: Session, full: Session) -> None:
    assert cut.get_available_partitions() == full.get_available_partitions()
    for partition in full.get_available_partitions():
        for service in OPERATIONS:
            found = [each.get_available_regions(service, partition) for each in (cut, full)]
            assert found[0] == found[1]


def test_an_operation_that_botocore_does_not_have_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(botocore_data.OPERATIONS, "sqs", {"SendMessage", "SendLetter"})
    with pytest.raises(SystemExit, match=r"^botocore has no operation SendLetter of sqs$"):
        write(FULL, tmp_path)
