"""What EC2's refusals to launch an instance mean, and what helps."""

from typing import NamedTuple

from chalicelib.gateways.ec2 import bare, lack_of, lacks_capacity

_QUOTA = (
    "In Service Quotas, ask AWS to raise EC2's 'Running On-Demand G and VT instances' (P types: 'P"
    " instances') to 4 vCPUs for each instance, and deploy again"
)
_CAPACITY = (
    "Deploy again later, or name further types, as in"
    ' PARAMETERS="GpuTypes=g6.xlarge,g5.xlarge,g4dn.xlarge"'
)
_VOLUMES = "Ask AWS to raise the EBS quota of gp3 storage, and deploy again"
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
    # Of a state. EC2 does not say more if it may not use the key of the disk.
    "Client.InternalError": (
        "EC2 could not use the disk's key: allow your credentials to use the customer-managed key,"
        " and deploy again"
    ),
    "Client.InvalidKMSKey.InvalidState": "Enable the key of the disks, and deploy again",
    "Client.VolumeLimitExceeded": _VOLUMES,
    "VolumeLimitExceeded": _VOLUMES,
}


class Refusal(NamedTuple):
    """EC2's error code and text, whether another zone may help, and what the operator can do."""

    code: str
    text: str
    is_of_zone: bool
    remedy: str


def refusal_of(code: str, message: str) -> Refusal:
    """Return what an error of RunInstances, or the reason of an instance's state, says."""
    lack = lack_of(code)
    if lacks_capacity(code):
        remedy = _CAPACITY
    else:
        remedy = _QUOTA if lack else _REMEDIES.get(code, "Correct this, and deploy again")
    said = f"{lack} ({bare(code)})" if lack else f"{bare(code)}: {message}".rstrip(": ")
    return Refusal(code, said, lacks_capacity(code), remedy)
