"""A version of ComfyUI is in its place whole and tried, or not at all."""

from tests.infra.instance import FAILS, WORKS, Instance, names_in


def test_a_new_version_of_comfyui_takes_the_place_of_the_old(ready: Instance) -> None:
    commit = ready.offer_comfyui("v2", WORKS)
    ready.start()
    assert ready.runs == "v2"
    assert names_in(ready.root / "opt/comfyui") == {"current", commit}
    assert ready.position(r"main\.py") < ready.position("start --no-block comfyui")


def test_a_version_that_does_not_start_leaves_the_old_one(ready: Instance) -> None:
    ready.offer_comfyui("v2", FAILS)
    said = ready.start()
    assert ready.is_ready
    assert ready.runs == "v1"
    assert "Failed: install_comfyui" in said


def test_an_upgrade_that_failed_thrice_does_not_slow_down_further_starts(ready: Instance) -> None:
    ready.offer_comfyui("v2", FAILS)
    tries = []
    for _ in range(4):
        ready.start()
        tries.append(ready.called("git"))
    assert tries == [True, True, True, False]
    ready.offer_comfyui("v3", WORKS)
    ready.start()
    assert ready.runs == "v3"


def test_a_commit_that_there_is_not_leaves_the_old_version(ready: Instance) -> None:
    ready.settings["COMFYUI_COMMIT"] = "0123456789" * 4
    said = ready.start()
    assert ready.runs == "v1"
    assert "Failed: install_comfyui" in said


def test_nothing_of_comfyui_runs_as_root(ready: Instance) -> None:
    as_comfyui = "runuser -u comfyui -- env HOME="
    for index, call in enumerate(ready.calls):
        if call.startswith(("git", "python")):
            assert ready.calls[index - 1].startswith(as_comfyui), call


def test_pytorch_is_the_one_of_the_ami(ready: Instance) -> None:
    pip = ready.calls[ready.position("^python -m pip install")]
    assert "--constraint" in pip
    new = ready.root / "opt/comfyui/current"
    assert (new / "pins.txt").read_text() == "torch==2.9.0+cu130\n"
    assert (new / "venv/packages/pytorch.pth").read_text().strip().endswith("/opt/pytorch/packages")


def test_what_a_set_up_left_half_done_is_comfyuis_own_again(ready: Instance) -> None:
    given, taken = "chown -R comfyui:comfyui .*opt/comfyui", "chown -R root:root .*opt/comfyui"
    assert ready.position(given) < ready.position("git init")
    assert ready.position(r"main\.py") < ready.position(taken)
