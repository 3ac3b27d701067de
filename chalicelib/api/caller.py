"""Who sends a request, as far as API Gateway knows."""

from chalice.app import Request


def caller(request: Request) -> str:
    """Name the caller among whom the GPU is shared fairly: who signed, or else an address."""
    identity = request.context.get("identity") or {}
    signer = identity.get("userArn")
    if signer:
        # The sessions of one role are one caller.
        kind, _, name = str(signer).partition("/")
        return f"{kind}/{name.partition('/')[0] if ':assumed-role' in kind else name}"
    return str(identity.get("sourceIp") or "")
