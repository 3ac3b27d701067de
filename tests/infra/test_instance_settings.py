"""Settings are data: a malformed one is refused by name, and none is executed."""

import subprocess
from pathlib import Path

import pytest

from tests.infra.instance import INSTANCE, Instance

VALID = {
    "BUCKET": "darkroom-images.eu-1",
    "BUNDLE_KEY": "instance/bundle.tar.gz",
    "BUNDLE_SHA256": "0f" * 32,
    "COMFYUI_COMMIT": "0f" * 20,
    "COMFYUI_PORT": "8188",
    "CHECKPOINTS": "s3://models/sdxl/ https://host.example/a/b.safetensors?download=true#sha256="
    + "0f" * 32,
    "SWITCH_IDLE_SECONDS": "1800",
    "SWITCH_MAX_UPTIME_SECONDS": "86400",
    "LOG_GROUP": "/darkroom/prod/instances",
}
MALFORMED = [
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned",
    "8188; touch pwned",
    "8188 $(touch pwned)",
    "a[$(touch pwned)]",
    "x\x1b[2J",
    "../../etc/passwd\t",
    "--option",
    "'",
    '"',
    "\\",
    "",
]
INVALID_LOCATIONS = [
    "http://host.example/a.safetensors",
    "file:///etc/passwd",
    "s3://bucket",
    "s3:///",
    "https://host.example/",
    "https://host.example/.bashrc",
    "https://host.example/a b",
    "https://host.example/a.safetensors#sha256=1234",
    "https://host.example/$(touch pwned).safetensors",
    "-o/etc/passwd",
]


def accepted(text: str, folder: Path) -> tuple[dict[str, str], str]:
    """Return the settings that are accepted, and the messages about the others."""
    done = subprocess.run(
        [INSTANCE / "darkroom-settings"],
        input=text,
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert not list(folder.iterdir())
    return dict(line.split("=", 1) for line in done.stdout.splitlines()), done.stderr


def test_valid_settings_are_accepted(tmp_path: Path) -> None:
    text = "\n".join(f"{name}={value}" for name, value in VALID.items())
    assert accepted(f"# a comment\n\n{text}", tmp_path) == (VALID, "")


@pytest.mark.parametrize("value", MALFORMED)
@pytest.mark.parametrize("name", sorted(VALID.keys() - {"CHECKPOINTS"}))
def test_a_malformed_value_is_refused_by_name(name: str, value: str, tmp_path: Path) -> None:
    settings, said = accepted(f"BUCKET=bucket\n{name}={value}\n", tmp_path)
    assert settings == {"BUCKET": "bucket"}
    assert f"{name} is refused" in said
    assert "\x1b" not in said


@pytest.mark.parametrize("location", INVALID_LOCATIONS)
def test_an_invalid_location_does_not_affect_others(location: str, tmp_path: Path) -> None:
    settings, said = accepted(f"CHECKPOINTS=s3://b/m.ckpt,{location},s3://b/n.ckpt\n", tmp_path)
    first, *_, last = settings["CHECKPOINTS"].split()
    assert (first, last) == ("s3://b/m.ckpt", "s3://b/n.ckpt")
    assert "$" not in settings["CHECKPOINTS"]
    assert "CHECKPOINTS: not a location" in said


@pytest.mark.parametrize("line", ["PATH=/tmp", "LD_PRELOAD=x", "touch pwned", "a=b", "=", "X"])
def test_an_unknown_setting_is_reported_and_left_out(line: str, tmp_path: Path) -> None:
    settings, said = accepted(line, tmp_path)
    assert settings == {}
    assert "Not a setting" in said


def test_lists_may_have_commas_or_spaces(tmp_path: Path) -> None:
    settings, said = accepted("CHECKPOINTS=s3://b/x/, s3://b/y.ckpt s3://b/z.ckpt,\n", tmp_path)
    assert (settings["CHECKPOINTS"], said) == ("s3://b/x/ s3://b/y.ckpt s3://b/z.ckpt", "")


@pytest.mark.parametrize("port", ["80", "0", "65536", "99999", "08188", "8188.0", "-1"])
def test_an_invalid_port_is_refused(port: str, tmp_path: Path) -> None:
    assert accepted(f"COMFYUI_PORT={port}\n", tmp_path)[0] == {}


def test_an_instance_with_malformed_settings_starts_without_them(ready: Instance) -> None:
    marker = ready.root / "pwned"
    ready.settings |= dict.fromkeys(
        ["COMFYUI_PORT", "COMFYUI_COMMIT", "BUNDLE_SHA256", "LOG_GROUP", "BUCKET", "BUNDLE_KEY"],
        f"$(touch {marker})`touch {marker}`;touch {marker}",
    )
    said = ready.start()
    assert ready.is_ready, said
    assert ready.runs == "v1"
    assert not marker.exists()
    for refused in ("BUNDLE_SHA256 is not", "COMFYUI_PORT is refused", "LOG_GROUP is refused"):
        assert refused in said


def test_the_switch_gets_its_settings_and_no_others(ready: Instance) -> None:
    lines = (ready.root / "etc/darkroom/switch.env").read_text().splitlines()
    assert lines == ["COMFYUI_PORT=8190", "SWITCH_IDLE_SECONDS=900"]
