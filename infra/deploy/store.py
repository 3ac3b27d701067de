"""The bucket of what is deployed; one for each account and region, for all stages."""

import json
from typing import Any

from botocore.exceptions import ClientError


class Store:
    """Keeps files under the checksums of their contents.

    Its name can be guessed, so that every call says whose bucket it must be.
    """

    def __init__(self, s3: Any, *, account: str, region: str) -> None:
        self.bucket = f"darkroom-deployments-{account}-{region}"
        self._ours = {"Bucket": self.bucket, "ExpectedBucketOwner": account}
        self._s3 = s3
        self._region = region

    def make(self) -> None:
        """Make the bucket if there is none: private, encrypted, for TLS only."""
        try:
            self._s3.head_bucket(**self._ours)
        except ClientError as error:
            if error.response["Error"]["Code"] != "404":
                raise
            self._create()

    def put(self, key: str, content: bytes) -> str:
        """Store a file and return its URL."""
        self._s3.put_object(**self._ours, Key=key, Body=content)
        return f"{self._s3.meta.endpoint_url}/{self.bucket}/{key}"

    def _create(self) -> None:
        # Its own region is what us-east-1 does not want to be told.
        place = {"CreateBucketConfiguration": {"LocationConstraint": self._region}}
        self._s3.create_bucket(
            Bucket=self.bucket,
            ObjectOwnership="BucketOwnerEnforced",
            **({} if self._region == "us-east-1" else place),
        )
        everything = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy")
        self._s3.put_public_access_block(
            **self._ours,
            PublicAccessBlockConfiguration=dict.fromkeys(
                (*everything, "RestrictPublicBuckets"), True
            ),
        )
        encryption = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        self._s3.put_bucket_encryption(
            **self._ours, ServerSideEncryptionConfiguration={"Rules": [encryption]}
        )
        self._s3.put_bucket_policy(**self._ours, Policy=json.dumps(self._tls_only()))

    def _tls_only(self) -> dict[str, Any]:
        arn = f"arn:{self._s3.meta.partition}:s3:::{self.bucket}"
        deny = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, f"{arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        return {"Version": "2012-10-17", "Statement": [deny]}
