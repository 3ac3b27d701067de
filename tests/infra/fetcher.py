"""Fetches checkpoints as an instance does."""

from tests.infra.instance import Instance
from tests.infra.web import Web


class Fetcher:
    """Runs `darkroom-checkpoints` on an instance."""

    def __init__(self, instance: Instance, web: Web) -> None:
        self.instance, self.web = instance, web
        self.settings = instance.root / "etc/darkroom/instance.env"
        self.settings.parent.mkdir(parents=True)
        self.incoming = instance.root / "var/lib/comfyui/models/incoming"

    def fetch(self, *locations: str) -> str:
        self.settings.write_text(f"BUCKET=bucket\nCHECKPOINTS={' '.join(locations)}\n")
        self.instance.calls_file.write_text("")
        self.web.asked.clear()
        certificate = str(self.web.certificate)
        return self.instance.run("darkroom-checkpoints", CURL_CA_BUNDLE=certificate)

    @property
    def found(self) -> dict[str, bytes]:
        return self.instance.checkpoints

    @property
    def failed(self) -> bool:
        return self.instance.code != 0
