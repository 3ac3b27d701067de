"""The documentation names everything that a user can set and call, and its figures are recorded."""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from msgspec.structs import fields

import app
from bench import tables
from chalicelib.config import Config
from chalicelib.schemas.boots import BootReport
from chalicelib.services.billing.price_list import ON_DEMAND
from chalicelib.version import VERSION
from infra.deploy.choices import IMAGES
from openapi.document import registered
from tests.environment import RESOURCES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = sorted(ROOT.glob("docs/**/*.md"))
# Those of the function of the pages.
OPEN_PATHS = sorted(RESOURCES["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"])
PATHS = [*sorted(set(app.app.routes) - {"/", "/{proxy+}"}), *OPEN_PATHS]


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def chapter(name: str, heading: str) -> str:
    """Return a chapter of a page, from its heading to the next one."""
    _, found, rest = page(name).partition(f"\n## {heading}\n")
    assert found, (name, heading)
    return rest.partition("\n## ")[0]


def test_the_costs_count_every_metric() -> None:
    rows = [row for row in chapter("operations.md", "Metrics").split("\n") if row.startswith("| `")]
    names = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert f"custom metrics: {len(names)}," in page("costs.md")


@pytest.mark.parametrize("name", [field.name.upper() for field in fields(Config)])
def test_every_environment_variable_is_documented(name: str) -> None:
    assert f"`{name}`" in page("configuration.md")


@pytest.mark.parametrize("name", RESOURCES["Parameters"])
def test_every_template_parameter_is_documented(name: str) -> None:
    assert f"`{name}`" in page("configuration.md")


def test_every_route_is_documented_with_its_scope() -> None:
    rows = re.findall(
        r"^\| ([A-Z, ]+) \| (.+) \| (\w+) \|$", chapter("api/index.md", "All routes"), re.MULTILINE
    )
    stated = {
        (method, path.replace("{id}", "{item_id}")): scope
        for methods, paths, scope in rows
        for method in methods.split(", ")
        for path in re.findall(r"`(.+?)`", paths)
    }
    pages = {(method, path): "none" for path in OPEN_PATHS for method in ("GET", "HEAD")}
    assert stated == pages | {
        (method, path): operation.scope for path, method, operation, _ in registered()
    }


@pytest.mark.parametrize("path", PATHS)
def test_every_route_has_an_example(path: str) -> None:
    """A curl of the path is on a page of the API or of a how-to."""
    path = re.sub("settings|formats|prompt_examples", "styles", path)  # they have the same routes
    address = re.sub(r"\\{\w+\\}", r"[^\\s/\"?]+", re.escape(path))
    examples = "".join(each.read_text() for each in PAGES)
    assert re.search(rf"\$API{address}[\s\"?]", examples), address


def test_the_readme_gives_exactly_two_set_up_commands() -> None:
    [block] = re.findall(r"## Two commands\n+```bash\n(.*?)```", README, re.DOTALL)
    assert [line.partition("#")[0].strip() for line in block.splitlines()] == [
        "make demo",
        "make test",
    ]


def test_the_readme_can_be_read_in_a_few_minutes() -> None:
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", *PAGES], ids=lambda path: str(path.relative_to(ROOT))
)
def test_every_make_command_in_the_docs_exists(path: Path) -> None:
    """Blocks of `bash` are not executed, as `sh` is; their targets of make exist all the same."""
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    targets |= {".venv/dev", ".venv-emulator/installed"}
    for block in re.findall(r"```bash\n(.*?)```", path.read_text(), re.DOTALL):
        for command in re.findall(r"^(?:[A-Z]+=\S+ )*make ([^#\n]+)", block, re.MULTILINE):
            words = re.sub(r'"[^"]*"', "_", command).split()
            assert {word for word in words if "=" not in word} <= targets, command
            for variable in re.findall(r"([A-Z_]+)=", " ".join(words)):
                assert re.search(rf"\b{variable}\b", makefile), variable


def test_every_decision_says_what_why_and_effect() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert decisions
    for decision in decisions:
        headings = re.findall(r"^## (.+)$", decision.read_text(), re.MULTILINE)
        assert headings == ["What", "Why", "Effect"], decision.name


def test_the_newest_chapter_of_the_changelog_is_of_this_version() -> None:
    newest = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0]
    assert newest == ("Unreleased" if ".dev" in VERSION else VERSION)


def test_every_dependency_is_explained() -> None:
    reasons = (ROOT / "docs/decisions/0001-dependencies.md").read_text()
    for requirements in ROOT.glob("requirements*.txt"):
        for line in requirements.read_text().splitlines():
            if name := re.match(r"[A-Za-z][\w-]*", line):
                assert f"`{name[0]}`" in reasons, name[0]


RESULTS = json.loads((ROOT / "bench/results.json").read_text())


def test_the_benchmarks_state_the_recorded_times() -> None:
    stated = chapter("benchmarks.md", "Time")
    for figure in (RESULTS["package_megabytes"], *RESULTS["post_to_png"].values()):
        assert re.search(rf"(?<![\d.]){figure}(?![\d.])", stated), figure


@pytest.mark.parametrize(
    ("heading", "table"),
    [
        ("Calls of AWS", tables.calls),
        ("Cold starts", tables.cold_starts),
        ("Shares of a CPU", tables.shares),
    ],
)
def test_the_benchmarks_have_the_tables_of_the_recorded_figures(
    heading: str, table: Callable[[tables.Results], list[str]]
) -> None:
    assert "\n".join(table(RESULTS)) in chapter("benchmarks.md", heading)


def test_the_benchmarks_state_the_recorded_fleet_run() -> None:
    run = json.loads((ROOT / "bench/fleet.json").read_text())
    stated = chapter("benchmarks.md", "From all off to all off")
    shown = dict(re.findall(r"^\| ([a-z, ]+) \| ([\d., ]+) \|", stated, re.MULTILINE))
    assert shown == {
        "jobs, succeeded": f"{run['jobs']}, {run['succeeded']}",
        "starts": str(run["starts"]),
        "seconds to all images": str(run["seconds_to_all_images"]),
        "seconds from the last image to all off": str(run["seconds_from_last_image_to_all_off"]),
    }


def test_the_recorded_fault_runs_are_stated_and_lost_nothing() -> None:
    runs = json.loads((ROOT / "bench/chaos.json").read_text())
    runs = [runs["1"], runs["4"]]
    stated = chapter("reliability.md", "How it is tested")
    rows = re.findall(r"^\| (.+?) \| (\d+) \| (\d+) \|$", stated, re.MULTILINE)
    figures = ("submitted", "succeeded", "canceled", "lost", "duplicated", "seconds")
    faults = dict.fromkeys(each for run in runs for each in run["faults"])
    assert {name: found for name, *found in rows} == {
        **{name: [str(run[name]) for run in runs] for name in figures},
        **{name: [str(run["faults"].get(name, 0)) for run in runs] for name in faults},
    }
    for run in runs:
        assert (run["lost"], run["duplicated"], run["failed"]) == (0, 0, {})
        several = run["images_of_each_gpu"] if len(run["images_of_each_gpu"]) > 1 else ()
        for count in (*run["attempts"].values(), *several):
            assert re.search(rf"\b{count}\b", stated), count


def test_the_costs_at_rest_add_up() -> None:
    stated = chapter("costs.md", "What a stack costs at rest")
    rows = re.findall(r"^\|.*\| \**([\d.]+)\** \| \**([\d.]+)\** \|$", stated, re.MULTILINE)
    *lines, (hour, month) = [(float(hour), float(month)) for hour, month in rows]
    assert len(lines) >= 8
    assert round(sum(month for _, month in lines), 2) == month
    for an_hour, a_month in [*lines, (hour, month)]:
        assert round(a_month / 730, 5) == an_hour


def test_the_number_of_images_from_which_darkroom_is_cheaper_follows_from_the_formula() -> None:
    stated = chapter("costs.md", "When Darkroom is cheaper")
    a_second = ON_DEMAND["g6.xlarge"] / 3600
    rows = re.findall(r"^\| ([\d.]+) \|.*\| (\d+) images a start \|$", stated, re.MULTILINE)
    assert len(rows) == 3
    for hosted, images in rows:
        break_even = (90 + 300) * a_second / (float(hosted) - 8 * a_second)
        assert int(images) == math.floor(break_even) + 1
    in_a_batch = (90 + 60) * a_second / (float(rows[0][0]) - 8 * a_second)
    assert f"from {rows[0][1]} to {math.floor(in_a_batch) + 1}" in stated


def test_the_seconds_of_a_start_follow_from_the_sizes_and_add_up() -> None:
    budget, disks = (
        chapter("starts.md", each) for each in ("The budget of a start", "A faster disk")
    )
    rows = re.findall(r"^\| `(\w+)` \|.*?((?:\| \d+ ){4})\|", budget, re.MULTILINE)
    steps = {step: [int(each) for each in re.findall(r"\d+", numbers)] for step, numbers in rows}
    reported, _ = get_args(get_type_hints(BootReport)["steps"])
    assert [*steps] == ["pending", *get_args(reported)]
    sizes = [float(each) for each in re.findall(r"([\d.]+) GB \|", disks)]
    assert len(sizes) == 4
    assert steps["checkpoint"] == [round(size * 1000 / 125) for size in sizes]
    for speed, *seconds in re.findall(r"^\| (\d+) " + r"\| (\d+) " * 4, disks, re.MULTILINE):
        assert [*map(int, seconds)] == [round(size * 1000 / int(speed)) for size in sizes]
    totals = re.findall(r"\*\*(\d+)\*\*", budget)
    assert [*map(int, totals)] == [sum(each) for each in zip(*steps.values(), strict=True)]


def test_the_readme_of_the_instance_names_the_ami_that_is_deployed() -> None:
    assert IMAGES[0] in (ROOT / "infra/instance/README.md").read_text()


def test_every_document_that_the_text_names_exists() -> None:
    """Code and docs name only what is in the repository."""
    for path in (*ROOT.glob("chalicelib/**/*.py"), *ROOT.glob("docs/**/*.md"), ROOT / "README.md"):
        text = path.read_text()
        assert "§" not in text, path
        for named in re.findall(r"\bdocs/[\w/.-]+\.md", text):
            assert (ROOT / named).exists(), (path, named)
