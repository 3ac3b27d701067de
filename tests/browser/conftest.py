"""A browser, a page, and the package as it is deployed for the page's origin."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from local.stack.api import Api
from tests.browser.pages import site
from tests.e2e.conftest import Stack, deployed, packaged

__all__ = ["packaged"]

_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def pytest_configure() -> None:
    if _chromium() is None:
        raise pytest.UsageError(
            "No Chromium is found: install it, on Debian with "
            "`apt-get install --no-install-recommends chromium-headless-shell`, "
            "or give its path in CHROMIUM."
        )


def _chromium() -> str | None:
    if given := os.environ.get("CHROMIUM"):
        return shutil.which(given)
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium())
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def origin() -> Iterator[str]:
    with site() as origin:
        yield origin


@pytest.fixture
def page(browser: Browser, origin: str) -> Iterator[Page]:
    """A page of `origin`, in a browser that has nothing in its cache."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(origin)
    yield page
    context.close()


@pytest.fixture(scope="module")
def stack(packaged: Path, origin: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The deployment with `AllowedOrigin` set to the page's origin."""
    directory = tmp_path_factory.mktemp("browser")
    with deployed(packaged, directory, AllowedOrigin=origin) as stack:
        yield stack


@pytest.fixture(scope="module")
def api(stack: Stack) -> Api:
    """The API at another origin than the bucket, as on AWS.

    The emulator has one port for all services: the API is called by the name of its execute-api
    endpoint, which browsers resolve to this machine.
    """
    port = stack.emulator.url.rpartition(":")[2]
    [rest] = stack.emulator.client("apigateway").get_rest_apis()["items"]
    return stack.api._replace(url=f"http://{rest['id']}.execute-api.localhost:{port}/live")
