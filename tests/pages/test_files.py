"""What ships with the pages: Swagger UI as it was published, and nothing that is not ours."""

import re
from hashlib import sha256
from pathlib import Path

DOCS = Path(__file__).parents[2] / "pages" / "docs"
RECORD = (DOCS / "swagger-ui.sha256").read_text()
OURS = {"index.html", "init.js", "page.css", "swagger-ui.sha256"}


def test_the_files_of_swagger_ui_are_unmodified() -> None:
    lines = re.findall(r"^([0-9a-f]{64})  (\S+)$", RECORD, re.MULTILINE)
    hashes = {name: recorded for recorded, name in lines}
    found = {each.name for each in DOCS.iterdir() if each.is_file()} - OURS
    assert found == hashes.keys()
    assert {"swagger-ui-bundle.js", "swagger-ui.css", "swagger-ui.LICENSE.txt"} <= found
    for name, recorded in hashes.items():
        assert sha256((DOCS / name).read_bytes()).hexdigest() == recorded, name


def test_the_record_names_the_version_and_the_integrity_of_the_package() -> None:
    assert "swagger-ui-dist 5.35.0" in RECORD
    assert re.search(r"sha512-[A-Za-z0-9+/]{86}==", RECORD)


def test_the_page_asks_swagger_ui_to_call_nobody_else_and_to_keep_no_key() -> None:
    init = (DOCS / "init.js").read_text()
    assert "validatorUrl: null" in init
    assert "persistAuthorization: false" in init
