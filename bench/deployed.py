"""Darkroom deployed on a fresh emulator, with a stand-in ComfyUI, for measurements."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.comfyui.background import serve
from local.stack.api import Api, new_key
from local.stack.deploy import STACK, deploy
from local.stack.emulator import Emulator, environment
from local.stack.gpu import launch

CHECKPOINT = "v1-5-pruned-emaonly-fp16.safetensors"


class Deployed:
    """A deployment, and its API with an administrator's key."""

    def __init__(self, emulator: Emulator, package: Path, comfyui_url: str, *, fleet: bool) -> None:
        self.emulator = emulator
        self.comfyui_url = comfyui_url
        known = {"Checkpoint": CHECKPOINT, "WarmUp": "0"}
        outputs = deploy(emulator, package, known if fleet else known | {"ComfyUIUrl": comfyui_url})
        self.api = Api(outputs["ApiUrl"], new_key(emulator, "bench"))
        if fleet:
            self.gpu = self._launch()

    def environment(self, function: str) -> dict[str, str]:
        """Return a function's environment variables, with those by which it uses the emulator."""
        functions = self.emulator.client("lambda").list_functions()["Functions"]
        [found] = [each for each in functions if f"{STACK}-{function}-" in each["FunctionName"]]
        variables: dict[str, str] = found["Environment"]["Variables"]
        return {**variables, **environment(self.emulator.url)}

    def disconnect(self) -> None:
        """Have nothing invoke functions but the API, so that they take no CPU time."""
        events, functions = self.emulator.client("events"), self.emulator.client("lambda")
        for rule in events.list_rules()["Rules"]:
            events.disable_rule(Name=rule["Name"])
        for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)

    def _launch(self) -> str:
        """Return the id of a new instance, whose ComfyUI is the stand-in."""
        tags = {"darkroom:fleet": STACK, "darkroom:endpoint": self.comfyui_url}
        return launch(self.emulator.client("ec2"), tags)


@contextmanager
def deployed(
    directory: Path, package: Path, *, fleet: bool, step_seconds: float
) -> Iterator[Deployed]:
    """Deploy a package until the end of the block: with one GPU that is on, or a fixed ComfyUI."""
    emulator = Emulator(directory / "emulator")
    try:
        with serve(directory / "comfyui", CHECKPOINT, step_seconds=step_seconds) as url:
            yield Deployed(emulator, package, url, fleet=fleet)
    finally:
        emulator.stop()
