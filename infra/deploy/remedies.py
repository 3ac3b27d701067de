"""What to do about a stack whose last operation failed."""

# The creation failed, or a deletion did: there is nothing to update, and no table in use.
TO_DELETE = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED")

CONTINUE = "continue-rollback"
SKIP = "skip:"

NETWORK = (
    "AWS may take 20 to 40 minutes to release the network interfaces of the functions; the command"
    " waits for that"
)

_AGAIN = "Remove the cause, and deploy again: the command deletes the failed stack first"

REMEDIES = {
    "ROLLBACK_COMPLETE": _AGAIN,
    "CREATE_FAILED": _AGAIN,
    "ROLLBACK_FAILED": f"{_AGAIN}. {NETWORK}",
    "DELETE_FAILED": "Remove the cause, and run the command again",
    "UPDATE_ROLLBACK_COMPLETE": "The deployment is as it was before. Remove the cause, and deploy"
    " again",
    "UPDATE_ROLLBACK_FAILED": "The stack can be updated only after its roll-back. Remove the cause,"
    f" and run `make deploy` again with ACCEPT={CONTINUE}: it continues the roll-back, and then"
    f" deploys. Nothing is deleted. {NETWORK}",
}
