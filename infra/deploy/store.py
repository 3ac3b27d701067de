"""The bucket of deployed files: one for each account and region, shared by all stages."""

import json
from typing import Any

from botocore.exceptions import ClientError

from infra.failures import CommandFailed


class Store:
    """Stores files under the checksums of their contents.

    The bucket's name can be guessed, so every call names the account that must own it.
    """

    def __init__(self, s3: Any, *, account: str, region: str) -> None:
        self.bucket = f"darkroom-deployments-{account}-{region}"
        self._ours = {"Bucket": self.bucket, "ExpectedBucketOwner": account}
        self._s3 = s3
        self._region = region

    def make(self) -> None:
        """Create the bucket if there is none: private, encrypted, TLS only.

        Raise CommandFailed if another account owns it, or these credentials may not use it.
        """
        try:
            self._s3.head_bucket(**self._ours)
        except ClientError as error:
            if error.response["Error"]["Code"] == "403":
                raise CommandFailed(
                    f"The bucket {self.bucket} may not be used: allow s3:ListBucket, s3:GetObject"
                    " and s3:PutObject on it, and check that it belongs to this account"
                ) from error
            if error.response["Error"]["Code"] != "404":
                raise
            self._create()

    def put(self, key: str, content: bytes) -> str:
        """Store a file and return its URL."""
        self._s3.put_object(**self._ours, Key=key, Body=content)
        return f"{self._s3.meta.endpoint_url}/{self.bucket}/{key}"

    def _create(self) -> None:
        # In us-east-1 a location constraint is refused.
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
