"""The identity of a caller, as the authorizer found it."""

import json

from chalice.app import Request
from msgspec import Struct

from chalicelib.errors import Forbidden, TooManyRequests, Unauthenticated
from chalicelib.models.keys.allowance import Allowance, Work
from chalicelib.models.keys.api_key import ADMIN


class Identity(Struct, frozen=True):
    """The API key of a request; `limit` is the work that it may ask for in a day."""

    key_id: str
    owner: str
    scopes: list[str]
    limit: Work

    @property
    def is_admin(self) -> bool:
        return ADMIN in self.scopes

    @property
    def sees(self) -> str | None:
        """The owner whose jobs the key may see; None means all owners."""
        return None if self.is_admin else self.owner

    @property
    def allowance(self) -> Allowance:
        return Allowance(self.key_id, self.limit)

    def demand(self, scope: str) -> None:
        """Raise Forbidden unless the key has a scope; `admin` includes all scopes."""
        if not (self.is_admin or scope in self.scopes):
            raise Forbidden(f"this API key lacks the scope {scope!r}")


def identity(request: Request) -> Identity:
    """Return what the authorizer found; raise TooManyRequests or Unauthenticated to refuse."""
    found = request.context.get("authorizer") or {}
    if "refusal" in found:
        raise TooManyRequests(str(found["refusal"]), retry_seconds=int(found["retry_seconds"]))
    try:
        return Identity(
            key_id=str(found["key_id"]),
            owner=str(found["owner"]),
            scopes=json.loads(found["scopes"]),
            limit=Work.of_day(int(found["images_per_day"]), int(found["megapixel_steps_per_day"])),
        )
    except KeyError:
        # The deployment has no authorizer: refuse all rather than allow all.
        raise Unauthenticated("the request has no API key") from None
