"""Routes that serve and store images."""

import io
import mimetypes
import os
from pathlib import Path

from aiohttp import web
from PIL import Image

from local.comfyui.files import Folders, is_below

ACTIVE_TYPES = {
    "text/html",
    "application/xhtml+xml",
    "text/javascript",
    "text/css",
    "image/svg+xml",
    "text/xml",
}
DEFAULT_QUALITY = 90


class FileRoutes:
    """The routes `/view` and `/upload/image`."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/view", self.view), web.post("/upload/image", self.upload)]

    async def view(self, request: web.Request) -> web.StreamResponse:
        """Send one file, whole or converted."""
        if "filename" not in request.query:
            return web.Response(status=404)
        name, folder = self._folders.annotated(request.query["filename"])
        if not name or name.startswith("/") or ".." in name:
            return web.Response(status=400)
        folder = folder or self._folders.of_type(request.query.get("type", "output"))
        if folder is None:
            return web.Response(status=400)
        subfolder = folder / request.query.get("subfolder", "")
        if not is_below(subfolder, folder):
            return web.Response(status=403)
        file = subfolder / Path(name).name
        return _deliver(file, request) if file.is_file() else web.Response(status=404)

    async def upload(self, request: web.Request) -> web.Response:
        """Store an uploaded file, under a new name if another file has its name."""
        form = await request.post()
        image, kind = form.get("image"), form.get("type", "input")
        if not isinstance(image, web.FileField) or not image.filename:
            return web.Response(status=400)
        base = self._folders.of_type(str(kind))
        if base is None:
            raise LookupError(f"there is no folder for {kind!r}")
        subfolder = str(form.get("subfolder", ""))
        target = base / os.path.normpath(subfolder) / image.filename
        if not is_below(target, base):
            return web.Response(status=400)
        is_overwriting = form.get("overwrite") in ("true", "1")
        target.parent.mkdir(parents=True, exist_ok=True)
        name = _store(target, image.file.read(), is_overwriting=is_overwriting)
        return web.json_response({"name": name, "subfolder": subfolder, "type": kind})


def _store(target: Path, content: bytes, *, is_overwriting: bool) -> str:
    wanted, number = target, 0
    while not is_overwriting and target.exists() and target.read_bytes() != content:
        number += 1
        target = wanted.with_name(f"{wanted.stem} ({number}){wanted.suffix}")
    target.write_bytes(content)
    return target.name


def _deliver(file: Path, request: web.Request) -> web.StreamResponse:
    headers = {"Content-Disposition": f'filename="{file.name}"'}
    channel = request.query.get("channel", "")
    if "preview" in request.query:
        body, kind = _preview(file, request.query["preview"], channel)
    elif channel in ("rgb", "a"):
        body, kind = _png_of_channel(file, channel), "image/png"
    else:
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        headers |= {"Content-Type": kind, "X-Content-Type-Options": "nosniff"}
        if kind in ACTIVE_TYPES:
            headers["Content-Disposition"] = f'attachment; filename="{file.name}"'
            headers["Content-Type"] = "application/octet-stream"
        return web.FileResponse(file, headers=headers)
    return web.Response(body=body, content_type=kind, headers=headers)


def _preview(file: Path, wish: str, channel: str) -> tuple[bytes, str]:
    kind, quality = wish.split(";")[0], wish.split(";")[-1]
    if kind not in ("webp", "jpeg") or "a" in channel:
        kind = "webp"
    with Image.open(file) as image:
        is_opaque = kind == "jpeg" or channel == "rgb"
        converted = image.convert("RGB") if is_opaque else image
        buffer = io.BytesIO()
        number = int(quality) if quality.isdigit() else DEFAULT_QUALITY
        converted.save(buffer, format=kind, quality=number)
    return buffer.getvalue(), f"image/{kind}"


def _png_of_channel(file: Path, channel: str) -> bytes:
    buffer = io.BytesIO()
    with Image.open(file) as image:
        if channel == "rgb":
            picked = image.convert("RGB")
        else:
            picked = Image.new("RGBA", image.size)
            picked.putalpha(image.convert("RGBA").getchannel("A"))
    picked.save(buffer, format="PNG")
    return buffer.getvalue()
