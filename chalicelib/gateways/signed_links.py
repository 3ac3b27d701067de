"""Links to objects of a bucket, which stay the same for some minutes."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from botocore.auth import SIGV4_TIMESTAMP, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest

_WINDOW_SECONDS = 900
_LONGEST_SECONDS = 604_800  # S3 refuses links that are signed for longer


class SignedLinks:
    """Links that are valid for at least `seconds`, at most a week.

    Each is signed as of the start of the current window: as long as that and the credentials stay
    the same, so does the link, and browsers load its object once.
    """

    def __init__(
        self, s3: Any, credentials: Any, bucket: str, *, seconds: int, clock: Callable[[], float]
    ) -> None:
        self._s3 = s3
        self._credentials = credentials
        self._bucket = bucket
        # A link that is to be valid for a week is signed as of now.
        self._window = max(1, min(_WINDOW_SECONDS, seconds, _LONGEST_SECONDS - seconds))
        self._expires = min(seconds + self._window, _LONGEST_SECONDS)
        self._clock = clock
        self._bucket_url = ""  # with a slash at its end; known once there is a key

    def link(self, method: str, key: str, parameters: Mapping[str, str]) -> str:
        """Return a link for requests of this method, with parameters such as `versionId`."""
        request = AWSRequest(method, self._url_of(key), params=dict(parameters))
        self._signer().add_auth(request)
        return str(request.url)

    def _signer(self) -> "_Signer":
        now = self._clock()
        return _Signer(
            self._credentials.get_frozen_credentials(),
            self._s3.meta.region_name,
            expires=self._expires,
            as_of=datetime.fromtimestamp(now - now % self._window, UTC),
        )

    def _url_of(self, key: str) -> str:
        path = quote(key, safe="/~")
        if not self._bucket_url:
            # It depends on the region and on the client's settings; botocore takes long to tell.
            asked = {"Bucket": self._bucket, "Key": key}
            signed: str = self._s3.generate_presigned_url("get_object", Params=asked)
            self._bucket_url = signed.partition("?")[0].removesuffix(path)
        return self._bucket_url + path


class _Signer(S3SigV4QueryAuth):  # type: ignore[misc]
    """Signs links as of a given time, where botocore takes the time of this machine."""

    def __init__(self, credentials: Any, region: str, *, expires: int, as_of: datetime) -> None:
        super().__init__(credentials, "s3", region, expires=expires)
        self._as_of = as_of.strftime(SIGV4_TIMESTAMP)

    def _modify_request_before_signing(self, request: AWSRequest) -> None:
        request.context["timestamp"] = self._as_of
        super()._modify_request_before_signing(request)
