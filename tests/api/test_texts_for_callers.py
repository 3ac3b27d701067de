"""Texts that callers read name nothing that only an operator can change."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import chalicelib
from chalicelib.config import Config
from tests.environment import RESOURCES

PACKAGE = Path(str(chalicelib.__file__)).parent
VARIABLES = {name.upper() for name in Config.__struct_fields__}
COMMANDS = ("make (deploy|doctor|key)", "tags?")
# Only callers with the scope `admin` read these, and have to ask an operator for this command.
OF_KEYS = {PACKAGE / "schemas/keys.py", PACKAGE / "services/keys.py"}
OF_OPERATORS = re.compile(rf"\b({'|'.join([*RESOURCES['Parameters'], *VARIABLES, *COMMANDS])})\b")


def texts(tree: ast.AST) -> Iterator[str]:
    """Yield the sentences of a module that are neither logged nor documentation."""
    for node in ast.iter_child_nodes(tree):
        if _is_logged(node) or _is_documentation(node):
            continue
        if isinstance(node, ast.Constant) and " " in str(node.value):
            yield str(node.value)
        yield from texts(node)


def _is_logged(node: ast.AST) -> bool:
    is_method = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    return is_method and ast.unparse(node).startswith("log.")


def _is_documentation(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def test_texts_for_callers_name_no_parameter_tag_or_command_of_operators() -> None:
    found = {
        text
        for source in PACKAGE.rglob("*.py")
        for text in texts(ast.parse(source.read_text()))
        if not (source in OF_KEYS and "`make key`" in text)
        # A function with a wrong variable ends when it starts; the log has the sentence.
        if OF_OPERATORS.search(text) and not text.startswith("environment variable ")
    }
    assert found == set()


def test_such_a_text_would_be_found() -> None:
    code = 'raise NoCapacity("there is no GPU: tag an EC2 instance, or set ComfyUIUrl")'
    assert [text for text in texts(ast.parse(code)) if OF_OPERATORS.search(text)]
    assert not [*texts(ast.parse('log.error("run `make deploy` with a FleetSize of 1")'))]
