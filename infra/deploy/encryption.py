"""The key that encrypts the disks of the instances, if it is not AWS's own."""

from typing import Any

from botocore.exceptions import ClientError

_OF_AWS = "alias/aws/ebs"


def volume_key(ec2: Any, kms: Any) -> str | None:
    """Return the ARN of the customer-managed key that is the account's default for EBS, or "".

    The functions start instances, and need a grant of such a key for that. None means that the
    caller may not read the default, or the key.
    """
    try:
        default = str(ec2.get_ebs_default_kms_key_id()["KmsKeyId"])
        if default.endswith(_OF_AWS):
            return ""
        key = kms.describe_key(KeyId=default)["KeyMetadata"]
    except ClientError:
        return None
    return "" if key["KeyManager"] == "AWS" else str(key["Arn"])
