"""What EC2's refusals to launch an instance mean, and what helps."""

from typing import NamedTuple

from botocore.exceptions import ClientError

from chalicelib.gateways.ec2 import lack_of

_QUOTA = (
    "In Service Quotas, ask AWS to raise EC2's 'Running On-Demand G and VT instances' (P types: 'P"
    " instances') to 4 vCPUs for each instance, and deploy again"
)
_CAPACITY = (
    "Deploy again later, or name further types, as in"
    ' PARAMETERS="GpuTypes=g6.xlarge,g5.xlarge,g4dn.xlarge"'
)
_REMEDIES = {
    "PendingVerification": (
        "AWS verifies a new account before it launches instances in a region, usually within some"
        " hours, and sends an e-mail: deploy again then"
    ),
    "OptInRequired": "Complete the sign-up of the AWS account, and deploy again",
    "Blocked": "AWS keeps this account from launching instances: open a case with AWS support",
    "UnauthorizedOperation": (
        "The credentials need ec2:RunInstances and ec2:CreateTags, and iam:PassRole for the role of"
        " the instances"
    ),
    "InvalidAMIID.NotFound": 'AWS has withdrawn the AMI: deploy with PARAMETERS="ImageId="',
    "InvalidAMIID.Unavailable": 'AWS has withdrawn the AMI: deploy with PARAMETERS="ImageId="',
    "VolumeLimitExceeded": "Ask AWS to raise the EBS quota of gp3 storage, and deploy again",
    "InvalidKMSKey.InvalidState": "Enable the key that encrypts the disks, and deploy again",
}


class Refusal(NamedTuple):
    """EC2's error code and text, whether another zone may help, and what the operator can do."""

    code: str
    text: str
    is_of_zone: bool
    remedy: str


def refusal_of(error: ClientError) -> Refusal:
    """Return what an error of RunInstances, or the reason of a state, says."""
    code = error.response["Error"]["Code"]
    bare = code.removeprefix("Server.").removeprefix("Client.")
    lack = lack_of(code)
    is_of_zone = lack is not None and "capacity" in lack
    message = error.response["Error"].get("Message", "").removeprefix(f"{code}:").strip()
    text = f"{lack} ({bare})" if lack else f"{bare}: {message}".rstrip(": ")
    if bare == "InternalError" and not error.response.get("ResponseMetadata"):
        remedy = (
            "EC2 could not use the disk's key: allow the deployer to use the customer-managed key,"
            " or deploy again"
        )
    elif lack:
        remedy = _CAPACITY if is_of_zone else _QUOTA
    else:
        remedy = _REMEDIES.get(bare, "Correct this, and deploy again")
    return Refusal(code, text, is_of_zone, remedy)
