"""Git's smart protocol over HTTP, by git's own `http-backend`."""

import os
import subprocess
from email.parser import BytesHeaderParser

from tests.machine.cloud.folder import Folder
from tests.machine.cloud.messages import Answer, Request

# A commit may be fetched by its hash, as from GitHub; and the folder may be another user's.
_CONFIGURATION = {
    "GIT_CONFIG_COUNT": "2",
    "GIT_CONFIG_KEY_0": "uploadpack.allowAnySHA1InWant",
    "GIT_CONFIG_VALUE_0": "true",
    "GIT_CONFIG_KEY_1": "safe.directory",
    "GIT_CONFIG_VALUE_1": "*",
}


def answer(folder: Folder, request: Request) -> Answer:
    """Run git for one request, by the rules of CGI."""
    environment = os.environ | _CONFIGURATION | _variables(folder, request)
    command = ["git", "http-backend"]
    done = subprocess.run(
        command, input=request.body, env=environment, capture_output=True, check=False
    )
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    headers = BytesHeaderParser().parsebytes(head)
    status = int(headers.get("Status", "200").split()[0])
    return Answer(status, body, headers.get("Content-Type", "text/plain"))


def _variables(folder: Folder, request: Request) -> dict[str, str]:
    return {
        "GIT_PROJECT_ROOT": str(folder.repositories),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{request.path}",
        "QUERY_STRING": request.query_string,
        "REQUEST_METHOD": request.method,
        "CONTENT_TYPE": request.header("Content-Type"),
        "CONTENT_LENGTH": str(len(request.body)),
        "HTTP_CONTENT_ENCODING": request.header("Content-Encoding"),
        "GIT_PROTOCOL": request.header("Git-Protocol"),
    }
