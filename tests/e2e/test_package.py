"""The deployed package: a small zip that is complete, and a valid template."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from chalicelib.bootstrap import FIRST_USED
from infra.botocore_data import OPERATIONS
from infra.package import ZIPS
from local.stack.processes import ROOT
from tests.e2e.conftest import PACKAGING_PYTHON

LARGEST_BYTES = 3_800_000


@pytest.fixture(scope="module")
def unzipped(packaged: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("unzipped")
    for name in ZIPS:
        zipfile.ZipFile(packaged / name).extractall(directory / Path(name).stem)
    return directory / "deployment"


@pytest.fixture(scope="module")
def pages(unzipped: Path) -> Path:
    """The zip of the pages, unpacked."""
    return unzipped.with_name("pages")


def test_the_zip_is_small(packaged: Path) -> None:
    assert (packaged / "deployment.zip").stat().st_size <= LARGEST_BYTES


def test_the_zip_contains_only_code_that_serves_requests(unzipped: Path) -> None:
    shipped = {path.name for path in unzipped.iterdir()}
    assert {"app.py", "chalicelib", "chalice", "msgspec", "pynamodb"} <= shipped
    assert shipped.isdisjoint({"local", "tests", "infra", "bench", "boto3", "moto", "PIL"})


def test_every_source_in_the_zip_is_compiled(unzipped: Path) -> None:
    sources = [path for path in unzipped.rglob("*.py") if "__pycache__" not in path.parts]
    assert {path.relative_to(unzipped).parts[0] for path in sources} == {"app.py", "chalicelib"}
    for source in sources:
        assert list((source.parent / "__pycache__").glob(f"{source.stem}.*.pyc")), source


def test_the_zip_is_complete_without_site_packages(unzipped: Path) -> None:
    """Create every client of the functions, in an interpreter without site-packages."""
    program = f"""
import sys; sys.path.insert(0, {str(unzipped)!r})
import app
from chalicelib.bootstrap import services
from chalicelib.services.seeding import _FIRST_ITEMS
from chalicelib.workflows import TEXT_TO_IMAGE, load
made = services(); made.submission; made.worker; made.reconciler; load(TEXT_TO_IMAGE)
assert _FIRST_ITEMS.exists()
from pathlib import Path; from botocore.httpsession import get_cert_path
assert Path(get_cert_path(True)).exists()
print(sorted(name for name in {sorted(OPERATIONS)!r} if made.gateways.client(name)))
"""
    environment = {
        "AWS_DEFAULT_REGION": "us-east-1",
        "JOBS_QUEUE_URL": "https://q.example",
        "DUAL_STACK": "1",
    }
    command = [PACKAGING_PYTHON, "-I", "-S", "-c", program]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.strip() == str(sorted(OPERATIONS))


def test_the_zip_has_its_own_time_zones(unzipped: Path) -> None:
    """Lambda's image may have none (see docs/decisions)."""
    program = f"""
import sys; sys.path.insert(0, {str(unzipped)!r})
import zoneinfo; zoneinfo.reset_tzpath(to=[])
from chalicelib.services.schedules.next_runs import Timetable
print(Timetable("at(2027-07-01T12:00:00)", "Europe/Berlin").after(0))
"""
    command = [PACKAGING_PYTHON, "-I", "-S", "-c", program]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (answer.stdout, answer.stderr) == ("[1814436000.0]\n", "")


def test_every_handler_can_be_imported_from_the_zip_alone(packaged: Path, unzipped: Path) -> None:
    handlers = [each["Handler"] for each in functions(packaged, "deployment.zip")]
    assert len(handlers) == 6
    imports = "; ".join(f"import {handler.rpartition('.')[0]}" for handler in handlers)
    found = " and ".join(f"callable({handler})" for handler in handlers)
    program = f"import sys; sys.path.insert(0, {str(unzipped)!r}); {imports}; print({found})"
    command = [PACKAGING_PYTHON, "-I", "-S", "-c", program]
    answer = subprocess.run(command, env={}, capture_output=True, text=True, check=False)
    assert (answer.stdout, answer.stderr) == ("True\n", "")


def test_every_function_is_known_to_its_init(packaged: Path) -> None:
    """Of an unknown handler nothing would be made before its first event, and nobody would see."""
    handlers = {each["Handler"] for each in functions(packaged, "deployment.zip")}
    assert handlers == {*FIRST_USED, "chalicelib.api.authorizer.authorize"}


def test_the_zip_matches_the_python_version_and_architecture_of_the_functions(
    packaged: Path, unzipped: Path
) -> None:
    program = "import sys; print('{}.{}'.format(*sys.version_info))"
    command = [PACKAGING_PYTHON, "-c", program]
    version = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert {each["Runtime"] for each in functions(packaged)} == {f"python{version}"}
    assert all(each["Architectures"] == ["x86_64"] for each in functions(packaged))
    suffix = f".cpython-{version.replace('.', '')}-x86_64-linux-gnu.so"
    extensions = [path.name for path in unzipped.rglob("*.so")]
    assert extensions
    assert all(name.endswith((suffix, ".abi3.so")) for name in extensions), extensions


def test_the_zip_of_the_pages_serves_them_without_site_packages(
    packaged: Path, pages: Path
) -> None:
    [function] = functions(packaged, "pages.zip")
    module, _, name = function["Handler"].rpartition(".")
    program = f"""
import sys; sys.path.insert(0, {str(pages)!r})
from {module} import {name} as entry
event = {{"resource": "/api/images/docs", "path": "/api/images/docs", "httpMethod": "GET",
    "headers": None, "queryStringParameters": None, "pathParameters": None}}
print(entry(event, None)["statusCode"], *sorted({{each.partition(".")[0] for each in sys.modules}}))
"""
    command = [PACKAGING_PYTHON, "-I", "-S", "-c", program]
    answer = subprocess.run(command, env={}, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    status, *loaded = answer.stdout.split()
    assert status == "200"
    assert set(loaded) - sys.stdlib_module_names == {"pages", "__main__"} - sys.stdlib_module_names


def test_the_zip_of_the_pages_has_only_them_and_the_same_bytes_each_time(
    packaged: Path, pages: Path, tmp_path: Path
) -> None:
    shipped = {str(path.relative_to(pages / "pages")) for path in pages.rglob("*.*")}
    assert {"openapi.json", "docs/index.html", "docs/swagger-ui.LICENSE.txt"} <= shipped
    assert [path.name for path in pages.iterdir()] == ["pages"]
    assert (packaged / "pages.zip").stat().st_size < 700_000
    package = [PACKAGING_PYTHON, "-m", "infra.package", tmp_path]
    subprocess.run(package, cwd=ROOT, check=True, capture_output=True)
    for name in ZIPS:
        assert (tmp_path / name).read_bytes() == (packaged / name).read_bytes()


def functions(packaged: Path, zipped: str = "") -> list[dict[str, Any]]:
    """Return the properties of all functions, or of those whose code is in one zip."""
    resources = json.loads((packaged / "template.json").read_text())["Resources"].values()
    found = [each for each in resources if each["Type"] == "AWS::Serverless::Function"]
    return [each["Properties"] for each in found if zipped in each["Properties"]["CodeUri"]]


def test_the_template_passes_cfn_lint(packaged: Path) -> None:
    command = [Path(sys.executable).with_name("cfn-lint"), packaged / "template.json"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout


def test_every_function_has_a_role_of_its_own(packaged: Path) -> None:
    roles = [each["Role"]["Fn::GetAtt"][0] for each in functions(packaged)]
    assert len(roles) == len(set(roles)) == 7


def test_the_worker_alone_may_call_itself(packaged: Path) -> None:
    may = [each["Role"]["Fn::GetAtt"][0] for each in functions(packaged) if "RecursiveLoop" in each]
    assert may == ["WorkerRole"]


def test_the_declared_authorizer_has_a_validation_expression(packaged: Path) -> None:
    template = json.loads((packaged / "template.json").read_text())
    definition = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    [authorizer] = definition["securityDefinitions"].values()
    settings = authorizer["x-amazon-apigateway-authorizer"]
    assert {"authorizerUri", "identityValidationExpression"} <= settings.keys()
