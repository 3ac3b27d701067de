"""The S3 bucket of finished images, and of the reports of instances about their boots."""

from collections.abc import Iterator
from contextlib import closing
from mimetypes import guess_type
from typing import Any, Protocol

import requests
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.gateways.signed_links import SignedLinks
from chalicelib.signals import StoreFailed

_BLOCK_BYTES = 64 * 1024
_PUT_SECONDS = 60
_TIMEOUT_SECONDS = (2, 30)  # to connect, between bytes
_REPORT_BYTES = 4096  # a longer report is cut off, and so is not valid

# A finished job's objects never change; they are its owner's, and no shared cache may keep them.
_CACHE_CONTROL = "private, max-age=31536000, immutable"

# Without the right to list these keys S3 answers AccessDenied for one that does not exist.
_ABSENT = ("NoSuchKey", "AccessDenied")


class Readable(Protocol):
    """A stream of bytes to store."""

    def read(self, size: int = -1, /) -> bytes: ...


class _Sized:
    """A stream of known length; otherwise `requests` sends chunks, which S3 refuses."""

    def __init__(self, content: Readable, size: int) -> None:
        self.read = content.read
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.read(_BLOCK_BYTES), b"")


class ImageStore:
    """Images by key, and links to them."""

    def __init__(
        self,
        s3: Any,
        http: requests.Session,
        bucket: str,
        *,
        links: SignedLinks,
        base_url: str,
    ) -> None:
        self._s3 = s3
        self._http = http
        self._bucket = bucket
        self._links = links
        self._base_url = base_url.rstrip("/")

    def put(self, key: str, content: Readable, size: int) -> None:
        """Stream `size` bytes to a key; storing again overwrites them.

        Raise StoreFailed when S3 does not store them, or when `content` ends too early.
        """
        headers = {**_headers(key), "Cache-Control": _CACHE_CONTROL}
        # PutObject through a signed URL accepts a stream that is read once; botocore would read
        # it to sign it, and rewind it.
        try:
            answer = self._http.put(
                self._signed_put(key, headers),
                data=_Sized(content, size),
                headers=headers,
                timeout=_TIMEOUT_SECONDS,
            )
            answer.raise_for_status()
        except (requests.RequestException, OSError) as error:
            raise StoreFailed("the image could not be stored") from error

    def delete(self, job_id: str) -> None:
        """Delete a job's images and their provenance; raise StoreFailed when S3 does not."""
        try:
            listed = self._s3.list_objects_v2(Bucket=self._bucket, Prefix=f"images/{job_id}/")
            keys = [{"Key": each["Key"]} for each in listed.get("Contents", [])]
            if not keys:
                return
            answer = self._s3.delete_objects(Bucket=self._bucket, Delete={"Objects": keys})
        except (BotoCoreError, ClientError) as error:
            raise StoreFailed("the images could not be deleted") from error
        if answer.get("Errors"):
            raise StoreFailed("some images could not be deleted")

    def _signed_put(self, key: str, headers: dict[str, str]) -> str:
        signed: str = self._s3.generate_presigned_url(
            "put_object",
            Params={
                "Bucket": self._bucket,
                "Key": key,
                "ContentType": headers["Content-Type"],
                "ContentDisposition": headers["Content-Disposition"],
                "CacheControl": headers["Cache-Control"],
            },
            ExpiresIn=_PUT_SECONDS,
        )
        return signed

    def url(self, key: str, method: str = "GET") -> str:
        """Return a link to a key: below the public base URL if any, else signed and expiring.

        A signed link is for requests of this method only, and often the same as the one before.
        """
        if self._base_url:
            return f"{self._base_url}/{key}"
        headers = _headers(key)
        shown = {
            "response-content-type": headers["Content-Type"],
            "response-content-disposition": headers["Content-Disposition"],
        }
        return self._links.link(method, key, shown)


class BootReportStore:
    """What instances report about their boots. Its content is theirs, and not to be trusted."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def read(self, instance_id: str) -> bytes | None:
        """Return the start of an instance's latest report; None if there is none.

        Raise StoreFailed when S3 does not answer.
        """
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=f"boots/{instance_id}.json")
            with closing(answer["Body"]) as body:
                read: bytes = body.read(_REPORT_BYTES)
                return read
        except ClientError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                return None
            raise StoreFailed("the report of a boot could not be read") from error
        except (BotoCoreError, OSError) as error:
            raise StoreFailed("the report of a boot could not be read") from error


def _headers(key: str) -> dict[str, str]:
    """Return headers that make browsers show an object, and name the file when it is saved."""
    name = "-".join(key.split("/")[1:])
    return {
        "Content-Type": guess_type(name)[0] or "application/octet-stream",
        "Content-Disposition": f'inline; filename="{name}"',
    }
