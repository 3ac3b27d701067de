"""What an instance does with a new bundle, with a wrong one, and with none."""

from pathlib import Path

from infra.bundle import INSTANCE, bundle
from tests.infra.instance import Instance


def test_a_first_start_without_a_network_fails_and_the_next_one_succeeds(
    instance: Instance,
) -> None:
    instance.first_start(BROKEN="aws")
    assert instance.code != 0
    instance.start()
    assert instance.is_ready


def test_an_instance_that_cannot_read_settings_uses_the_previous_ones(ready: Instance) -> None:
    said = ready.start(BROKEN="aws")
    assert ready.is_ready
    assert "No new settings: using the previous ones" in said


def test_a_new_bundle_is_used_at_the_next_start(ready: Instance, tmp_path: Path) -> None:
    ready.offer(changed(tmp_path))
    ready.start()
    assert ready.called("start --no-block comfyui")
    assert "# changed" in (ready.root / "usr/local/sbin/darkroom-switch").read_text()


def test_a_bundle_with_another_checksum_is_refused(ready: Instance, tmp_path: Path) -> None:
    ready.offer((b"something else", changed(tmp_path)[1]))
    said = ready.start()
    assert ready.is_ready
    assert "The bundle does not match BUNDLE_SHA256" in said


def test_an_instance_starts_although_a_new_bundle_cannot_be_fetched(
    ready: Instance, tmp_path: Path
) -> None:
    ready.offer(changed(tmp_path))
    ready.start(BROKEN="s3 cp")
    assert ready.is_ready


def changed(tmp_path: Path) -> tuple[bytes, str]:
    directory = tmp_path / "instance"
    directory.mkdir()
    for file in INSTANCE.iterdir():
        (directory / file.name).write_bytes(file.read_bytes())
    with (directory / "darkroom-switch").open("a") as switch:
        switch.write("# changed\n")
    return bundle(directory)
