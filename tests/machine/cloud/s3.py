"""S3's GetObject, HeadObject and ListObjectsV2, and PutObject into the bucket of images."""

from pathlib import Path
from xml.sax.saxutils import escape

from tests.machine.cloud.folder import Folder
from tests.machine.cloud.messages import Answer, Request

IMAGES = "images"

_XML = "application/xml"
_HEADERS = {
    "ETag": '"x"',
    "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT",
    "Accept-Ranges": "bytes",
}


def answer(folder: Folder, request: Request) -> Answer:
    """Answer a request whose bucket is in the host's name, or begins the path."""
    bucket, _, _ = request.host.partition(".s3.")
    key = request.path
    if ".s3." not in request.host:
        bucket, _, key = key.partition("/")
    if request.method == "PUT":
        return _put(folder, bucket, key, request)
    return _get(folder.bucket(bucket) / key, request) if key else _listing(folder, bucket, request)


def _error(status: int, code: str) -> Answer:
    return Answer(status, f"<Error><Code>{code}</Code></Error>".encode(), _XML)


def _put(folder: Folder, bucket: str, key: str, request: Request) -> Answer:
    if bucket != IMAGES or not key:
        return _error(403, "AccessDenied")
    file = folder.bucket(bucket) / key
    file.parent.mkdir(parents=True, exist_ok=True)
    is_encoded = "aws-chunked" in request.header("Content-Encoding")
    # A test that reads the object sees none or all of it.
    new = file.with_name(f"{file.name}.new")
    new.write_bytes(_decoded(request.body) if is_encoded else request.body)
    new.replace(file)
    return Answer(headers={"ETag": '"x"'})


def _decoded(body: bytes) -> bytes:
    """Return the content of chunks, after which come trailers such as a checksum."""
    content = b""
    while body:
        head, _, body = body.partition(b"\r\n")
        size = int(head.split(b";")[0], 16)
        if size == 0:
            break
        content, body = content + body[:size], body[size + 2 :]
    return content


def _get(file: Path, request: Request) -> Answer:
    if not file.is_file():
        return _error(404, "NoSuchKey")
    body = file.read_bytes()
    wanted = request.header("Range")
    if not wanted:
        return Answer(200, body, "application/octet-stream", _HEADERS)
    first, _, last = wanted.removeprefix("bytes=").partition("-")
    start, end = int(first), min(int(last or len(body) - 1), len(body) - 1)
    if start >= len(body):
        return Answer(416, headers={"Content-Range": f"bytes */{len(body)}"})
    span = {"Content-Range": f"bytes {start}-{end}/{len(body)}"}
    return Answer(206, body[start : end + 1], "application/octet-stream", _HEADERS | span)


def _listing(folder: Folder, bucket: str, request: Request) -> Answer:
    root, prefix = folder.bucket(bucket), request.query("prefix")
    files = {str(each.relative_to(root)): each for each in root.rglob("*") if each.is_file()}
    entries = "".join(
        f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        f'<ETag>"x"</ETag><Size>{files[key].stat().st_size}</Size></Contents>'
        for key in sorted(files)
        if key.startswith(prefix)
    )
    text = (
        f"<ListBucketResult><Name>{bucket}</Name><IsTruncated>false</IsTruncated>"
        f"{entries}</ListBucketResult>"
    )
    return Answer(200, text.encode(), _XML)
