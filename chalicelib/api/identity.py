"""Who sends a request, as the authorizer found."""

import json

from chalice.app import Request
from msgspec import Struct

from chalicelib.errors import Forbidden, TooManyRequests, Unauthenticated
from chalicelib.models.keys.allowance import MEGA, Allowance, Work
from chalicelib.models.keys.api_key import ADMIN


class Identity(Struct, frozen=True):
    """The API key of a request."""

    key_id: str
    owner: str
    scopes: list[str]
    limit: Work

    @property
    def is_admin(self) -> bool:
        return ADMIN in self.scopes

    @property
    def sees(self) -> str | None:
        """Whose jobs it may see; None is everybody's."""
        return None if self.is_admin else self.owner

    @property
    def allowance(self) -> Allowance:
        return Allowance(self.key_id, self.limit)

    def demand(self, scope: str) -> None:
        """Raise Forbidden unless the key has a scope; `admin` has all."""
        if not (self.is_admin or scope in self.scopes):
            raise Forbidden(f"this API key lacks the scope {scope!r}")


def identity(request: Request) -> Identity:
    """Read what the authorizer found; raise what the request is to be refused with."""
    found = request.context.get("authorizer") or {}
    if "refusal" in found:
        raise TooManyRequests(str(found["refusal"]), retry_seconds=int(found["retry_seconds"]))
    try:
        return Identity(
            key_id=str(found["key_id"]),
            owner=str(found["owner"]),
            scopes=json.loads(found["scopes"]),
            limit=Work(int(found["images_per_day"]), int(found["megapixel_steps_per_day"]) * MEGA),
        )
    except KeyError:
        # No authorizer stands before this deployment: better shut than open.
        raise Unauthenticated("the request has no API key") from None
