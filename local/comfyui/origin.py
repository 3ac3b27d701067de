"""Refuses browser requests from other sites, as ComfyUI does on a loopback address."""

import ipaddress
import socket
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def same_origin_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 403 to a request of another site.

    That is one with `Sec-Fetch-Site: cross-site`, or whose Origin differs from a loopback Host.
    """
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        return web.Response(status=403)
    if is_foreign(request.headers.get("Host"), request.headers.get("Origin")):
        return web.Response(status=403)
    if request.method == "OPTIONS":
        return web.Response()
    return await handler(request)


def is_foreign(host: str | None, origin: str | None) -> bool:
    """Return whether a request with these two headers is refused."""
    if not host or not origin:
        return False
    here, there = urlsplit(f"//{host.lower()}"), urlsplit(origin.lower())
    if not here.hostname or not there.hostname or not _is_loopback(here.hostname):
        return False
    if here.port is None or there.port is None:
        return here.hostname != there.hostname
    return here.netloc != there.netloc


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        pass
    try:
        found = {address[4][0] for address in socket.getaddrinfo(name, None)}
    except OSError:
        return False
    return all(ipaddress.ip_address(address).is_loopback for address in found)
