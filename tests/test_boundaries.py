"""Which layer may import which modules and libraries."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "chalicelib"

# For each layer: modules of the package, and third-party libraries. Under TYPE_CHECKING types may
# be imported from anywhere, as nothing runs there.
ALLOWED = {
    "api": (
        {
            "api",
            "services",
            "models",
            "bootstrap",
            "workflows",
            "schemas",
            "errors",
            "config",
            "garbage",
            "logs",
        },
        {"chalice", "msgspec"},
    ),
    "services": (
        {
            "services",
            "models",
            "workflows",
            "schemas",
            "errors",
            "signals",
            "days",
            "config",
            "metrics",
            "version",
        },
        {"msgspec", "ulid"},
    ),
    "models": (
        {"models", "config", "errors", "signals", "days", "version"},
        {"pynamodb", "botocore", "msgspec"},  # botocore's Config, for PynamoDB's clients
    ),
    "gateways": (
        {"gateways", "errors", "signals"},
        # `requests` lets errors of urllib3 through where a body is read as a stream.
        {"botocore", "requests", "urllib3", "websocket", "msgspec"},
    ),
    "schemas": ({"schemas", "errors"}, {"msgspec"}),
    "workflows": ({"errors"}, {"msgspec"}),
    "config": (set(), {"msgspec"}),
    "errors": (set(), set()),
    "days": (set(), set()),
    "garbage": (set(), set()),
    "__init__": ({"garbage"}, set()),
    "signals": (set(), set()),
    "version": (set(), set()),
    "logs": ({"config"}, set()),
    "metrics": ({"config"}, set()),
    "clients": ({"gateways", "models", "config"}, {"botocore", "requests"}),
    "bootstrap": ({"clients", "gateways", "services", "models", "config", "garbage"}, set()),
}
SOURCES = sorted(PACKAGE.rglob("*.py"))
PAGES = sorted((ROOT / "pages").rglob("*.py"))


def layer_of(source: Path) -> str:
    return source.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "chalicelib":
            yield from (f"chalicelib.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."
        elif not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            yield from imported(node)


def test_every_layer_has_rules() -> None:
    assert {layer_of(source) for source in SOURCES} == set(ALLOWED)


@pytest.mark.parametrize("source", SOURCES, ids=lambda each: str(each.relative_to(ROOT)))
def test_a_module_imports_only_what_its_layer_may(source: Path) -> None:
    ours, libraries = ALLOWED.get(layer_of(source), (set(), set()))
    for name in imported(ast.parse(source.read_text())):
        top, _, rest = name.partition(".")
        if top == "chalicelib":
            assert rest.partition(".")[0] in ours, name
        elif top not in libraries:
            assert top in sys.stdlib_module_names, name


@pytest.mark.parametrize("source", PAGES, ids=lambda each: each.name)
def test_the_pages_import_only_the_standard_library(source: Path) -> None:
    """They ship in a zip of their own, without libraries."""
    tops = {name.partition(".")[0] for name in imported(ast.parse(source.read_text()))}
    assert tops <= {*sys.stdlib_module_names, "pages"}


def test_only_the_configuration_reads_the_environment() -> None:
    readers = [source.name for source in SOURCES if "os.environ" in source.read_text()]
    assert readers == ["config.py"]


def test_only_one_module_makes_clients() -> None:
    makers = [source.name for source in SOURCES if "create_client" in source.read_text()]
    assert makers == ["clients.py"]


def test_importing_the_application_makes_no_connection() -> None:
    # Making a client fails without a region, credentials and a network.
    program = "import socket; socket.socket.connect = None; import app; print(app.app.app_name)"
    environment = {"PATH": "", "AWS_EC2_METADATA_DISABLED": "true"}
    run = [sys.executable, "-c", program]
    answer = subprocess.run(run, cwd=ROOT, env=environment, capture_output=True, check=True)
    assert answer.stdout == b"darkroom\n"
