"""Routes that describe the server, its node classes and its models."""

import sys
from dataclasses import dataclass

from aiohttp import web

from local.comfyui.choices import MODEL_FOLDERS
from local.comfyui.declarations import Declaration, declarations
from local.comfyui.files import Folders
from local.comfyui.sockets import FEATURES

VERSION = "0.33.0"
FRONTEND_VERSION, TEMPLATES_VERSION = "1.48.7", "0.11.41"
PACKAGES = {
    "comfyui-frontend-package": FRONTEND_VERSION,
    "comfyui-workflow-templates": TEMPLATES_VERSION,
}
GIBIBYTE = 2**30


@dataclass(frozen=True)
class Catalog:
    """The installed node classes and models."""

    folders: Folders
    extra_checkpoints: tuple[str, ...]

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/system_stats", self.system_stats),
            web.get("/features", self.features),
            web.get("/object_info", self.all_classes),
            web.get("/object_info/{name}", self.one_class),
            web.get("/models", self.model_folders),
            web.get("/models/{folder}", self.models),
            web.get("/embeddings", self.embeddings),
        ]

    def checkpoints(self) -> list[str]:
        """Return the files in the models folder, and the names that the server was started with."""
        return sorted({*self.folders.checkpoints(), *self.extra_checkpoints})

    def classes(self) -> dict[str, Declaration]:
        """Return the declarations of all node classes, with the present choices."""
        return declarations(self.checkpoints(), self.folders.input_images())

    def has_input_image(self, name: str) -> bool:
        """Return whether a LoadImage node would find this image."""
        return self.folders.has_input_image(name)

    async def all_classes(self, _request: web.Request) -> web.Response:
        """Describe every node class."""
        described = {name: each.to_json(name) for name, each in self.classes().items()}
        return web.json_response(described)

    async def one_class(self, request: web.Request) -> web.Response:
        """Describe one node class; return an empty object for an unknown class."""
        name, classes = request.match_info["name"], self.classes()
        return web.json_response({name: classes[name].to_json(name)} if name in classes else {})

    async def model_folders(self, _request: web.Request) -> web.Response:
        """List the kinds of models."""
        return web.json_response(MODEL_FOLDERS)

    async def models(self, request: web.Request) -> web.Response:
        """List the models of one kind."""
        folder = request.match_info["folder"]
        if folder not in MODEL_FOLDERS:
            return web.Response(status=404)
        return web.json_response(self.checkpoints() if folder == "checkpoints" else [])

    async def embeddings(self, _request: web.Request) -> web.Response:
        """List the textual inversions: none."""
        return web.json_response([])

    async def features(self, _request: web.Request) -> web.Response:
        """List the optional parts of the protocol that the server supports."""
        return web.json_response(FEATURES)

    async def system_stats(self, _request: web.Request) -> web.Response:
        """Describe the machine; the figures are made up."""
        system = {
            "os": sys.platform,
            "ram_total": 16 * GIBIBYTE,
            "ram_free": 12 * GIBIBYTE,
            "comfyui_version": VERSION,
            "required_frontend_version": FRONTEND_VERSION,
            "installed_templates_version": TEMPLATES_VERSION,
            "required_templates_version": TEMPLATES_VERSION,
            "comfy_package_versions": [
                {"name": name, "installed": version, "required": version}
                for name, version in PACKAGES.items()
            ],
            "python_version": sys.version,
            "pytorch_version": "none (stand-in)",
            "embedded_python": False,
            "deploy_environment": "local-git",
            "argv": sys.argv,
        }
        device = {
            "name": "stand-in",
            "type": "cpu",
            "index": None,
            "vram_total": 16 * GIBIBYTE,
            "vram_free": 12 * GIBIBYTE,
            "torch_vram_total": 16 * GIBIBYTE,
            "torch_vram_free": 12 * GIBIBYTE,
        }
        return web.json_response({"system": system, "devices": [device]})
