"""Builds these pages as a site: `make docs`."""

import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

project = "Darkroom"
html_title = "Darkroom"
extensions = ["myst_parser", "sphinx_copybutton"]

# Links to headings, as GitHub writes them: `page.md#a-heading`.
myst_heading_anchors = 4

html_theme = "furo"
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
pygments_style = "friendly"

# What a browser loads by itself; a link is followed only when a person clicks on it.
_LOADED = re.compile(
    r"""<(?:script|img|iframe)[^>]*\ssrc=["']?(?:https?:)?//"""
    r"""|<link[^>]*\shref=["']?(?:https?:)?//"""
    r"""|(?:url\(|@import\s)["']?(?:https?:)?//"""
)


def setup(app: Sphinx) -> None:
    app.connect("build-finished", _refuse_requests_to_other_hosts)


def _refuse_requests_to_other_hosts(app: Sphinx, failure: Exception | None) -> None:
    files = [file for kind in ("html", "css") for file in Path(app.outdir).rglob(f"*.{kind}")]
    loading = [file for file in files if _LOADED.search(file.read_text(encoding="utf-8"))]
    if loading and failure is None:
        raise ExtensionError(f"pages load something from another host: {loading}")
