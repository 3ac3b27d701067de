"""A version of ComfyUI is installed whole and after a trial, or not at all."""

from tests.infra.instance import FAILS, WORKS, Instance, names_in


def test_a_new_version_of_comfyui_replaces_the_old_one(ready: Instance) -> None:
    commit = ready.offer_comfyui("v2", WORKS)
    ready.start()
    assert ready.runs == "v2"
    assert names_in(ready.root / "opt/comfyui") == {"current", commit}
    assert ready.position(r"main\.py") < ready.position("start --no-block comfyui")


def test_the_old_version_stays_if_the_new_one_does_not_start(ready: Instance) -> None:
    ready.offer_comfyui("v2", FAILS)
    said = ready.start()
    assert ready.is_ready
    assert ready.runs == "v1"
    assert "Failed: install_comfyui" in said


def test_an_upgrade_that_failed_three_times_is_not_tried_again(ready: Instance) -> None:
    ready.offer_comfyui("v2", FAILS)
    tries = []
    for _ in range(4):
        ready.start()
        tries.append(ready.called("git"))
    assert tries == [True, True, True, False]
    ready.offer_comfyui("v3", WORKS)
    ready.start()
    assert ready.runs == "v3"


def test_the_old_version_stays_if_the_new_commit_does_not_exist(ready: Instance) -> None:
    ready.settings["COMFYUI_COMMIT"] = "0123456789" * 4
    said = ready.start()
    assert ready.runs == "v1"
    assert "Failed: install_comfyui" in said


def test_nothing_of_comfyui_runs_as_root(ready: Instance) -> None:
    as_comfyui = "runuser -u comfyui -- env HOME="
    for index, call in enumerate(ready.calls):
        if call.startswith(("git", "python")) and "check_gpu" not in call:
            assert ready.calls[index - 1].startswith(as_comfyui), call


def test_comfyui_uses_the_pytorch_of_the_ami_and_the_bundles_requirements(ready: Instance) -> None:
    pip = ready.calls[ready.position("^python -m pip install")]
    assert "--no-deps --require-hashes --only-binary :all:" in pip
    assert pip.endswith("/comfyui-requirements.txt")
    packages = ready.root / "opt/comfyui/current/venv/packages"
    assert (packages / "pytorch.pth").read_text().strip().endswith("/opt/pytorch/packages")


def test_another_version_of_python_than_that_of_the_requirements_is_refused(
    instance: Instance,
) -> None:
    said = instance.first_start(PYTHON_VERSION="3.13")
    assert "The AMI has Python 3.13, and the requirements are for 3.12" in said
    assert not instance.called("pip install")


def test_a_version_is_written_to_the_disk_before_it_is_used(ready: Instance) -> None:
    synced = "sync -f .*/opt/comfyui/[0-9a-f]{40}$"
    assert ready.position("chown -R root:root") < ready.position(synced)


def test_the_comfyui_user_owns_its_folder_during_setup_and_root_after_it(ready: Instance) -> None:
    given, taken = "chown -R comfyui:comfyui .*opt/comfyui", "chown -R root:root .*opt/comfyui"
    assert ready.position(given) < ready.position("git init")
    assert ready.position(r"main\.py") < ready.position(taken)
