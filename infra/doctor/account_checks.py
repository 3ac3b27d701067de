"""What an account and a region have, before anything is made."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from infra.aws import Account
from infra.deploy import choices, endpoints
from infra.deploy.concurrency import concurrency
from infra.deploy.deployment import size_of
from infra.deploy.encryption import volume_key
from infra.deploy.stack import DeploymentFailed
from infra.deploy.store import Store
from infra.doctor.lines import OK, PROBLEM, STOP, UNKNOWN, Line, look

# Quotas of EC2 in vCPUs, by the first letters of the types that they limit.
_QUOTAS = {
    "g": ("L-DB2E81BA", "Running On-Demand G and VT instances"),
    "vt": ("L-DB2E81BA", "Running On-Demand G and VT instances"),
    "p": ("L-417A185B", "Running On-Demand P instances"),
}


class AccountChecks:
    """An account in one region, and the parameters that a stack would have there."""

    def __init__(
        self,
        account: Account,
        stack: str,
        parameters: Mapping[str, str],
        resolver: endpoints.Resolver = endpoints.resolve,
    ) -> None:
        self._account = account
        self._stack = stack
        self._parameters = parameters
        self._resolver = resolver

    def lines(self) -> list[Line]:
        """Return what was found, in the order in which a deployment needs it."""
        checks = {
            "services": self._services,
            "stack": self._its_stack,
            "data": self._data,
            "uploads": self._uploads,
            "concurrency": self._concurrency,
        }
        if size_of(self._parameters):
            checks |= {
                "GPU quota": self._quota,
                "GPU zones": self._zones,
                "AMI": self._image,
                "disk key": self._key,
            }
        return [look(what, check) for what, check in checks.items()]

    def _services(self) -> Line:
        found = endpoints.refusal(self._account.session, self._parameters, self._resolver)
        if found:
            return Line("services", STOP, *found)
        if endpoints.needs_no_ipv6(self._parameters):
            return Line("services", OK, "all are here")
        asked = endpoints.host(self._account.session, "ec2", dual_stack=True)
        if self._resolver(asked, endpoints.IPV6) is not True:
            text = "this machine resolves no IPv6 names, so that they could not be checked"
            return Line("services", UNKNOWN, text)
        return Line("services", OK, "all are here, with IPv6 where functions need it")

    def _its_stack(self) -> Line:
        status = self._stacks.get(self._stack)
        others = [name for name in sorted(self._stacks) if name != self._stack]
        beside = f"; others here: {', '.join(others)}" if others else ""
        if status is None:
            return Line("stack", OK, f"{self._stack} does not exist yet{beside}")
        if status.endswith("FAILED") or status == "ROLLBACK_COMPLETE":
            remedy = "make deploy says what it does about it (docs/deployment.md)"
            return Line("stack", PROBLEM, f"{self._stack}: {status}{beside}", remedy)
        if status.endswith("IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            return Line("stack", PROBLEM, f"{self._stack}: {status}{beside}", "wait until it ends")
        return Line("stack", OK, f"{self._stack}: {status}{beside}")

    @cached_property
    def _stacks(self) -> dict[str, str]:
        """The statuses of Darkroom's stacks by their names."""
        pages = self._account.client("cloudformation").get_paginator("describe_stacks").paginate()
        found = {it["StackName"]: it["StackStatus"] for page in pages for it in page["Stacks"]}
        return {name: found[name] for name in found if name.startswith("darkroom")}

    def _data(self) -> Line:
        """Look for tables and buckets that stayed when a stack was deleted."""
        tables = self._account.client("dynamodb").get_paginator("list_tables").paginate()
        names = [name for page in tables for name in page["TableNames"]]
        names += [each["Name"] for each in self._account.client("s3").list_buckets()["Buckets"]]
        left = [name for name in names if self._is_left(name)]
        if not left:
            return Line("data", OK, "no former stack has left any")
        text = f"{len(left)} tables and buckets of former stacks: {', '.join(sorted(left))}"
        return Line("data", PROBLEM, text, "delete what you do not need: it costs a little")

    def _is_left(self, name: str) -> bool:
        if not name.startswith("darkroom-") or name == self._bucket:
            return False
        return not any(name.startswith(f"{stack}-") for stack in self._stacks)

    @property
    def _bucket(self) -> str:
        s3 = self._account.client("s3")
        return Store(s3, account=self._account.id, region=self._account.region).bucket

    def _uploads(self) -> Line:
        bucket = self._bucket
        try:
            self._account.client("s3").head_bucket(
                Bucket=bucket, ExpectedBucketOwner=self._account.id
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "404":
                return Line("uploads", OK, f"the bucket {bucket} does not exist yet")
            if code != "403":
                raise
            text = f"the bucket {bucket} belongs to somebody else, or may not be read"
            remedy = "get s3:ListBucket on it; if it is another account's, deploy to another region"
            return Line("uploads", STOP, text, remedy)
        return Line("uploads", OK, f"the bucket {bucket} is yours")

    def _concurrency(self) -> Line:
        functions = self._account.client("lambda")
        limit = functions.get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
        try:
            made = concurrency(functions, {}, int(self._parameters["FleetMax"]))
        except DeploymentFailed as refusal:
            return Line("concurrency", STOP, str(refusal))
        if made["SmallAccount"] == "yes":
            text = f"{limit} functions at a time: requests wait 5 s at most, FleetMax is limited"
            return Line("concurrency", PROBLEM, text, _RAISE)
        return Line("concurrency", OK, f"{limit} functions at a time")

    def _quota(self) -> Line:
        quotas = self._account.client("service-quotas")
        needed = self._vcpus()
        parts, is_enough = [], True
        for code, name in dict.fromkeys(map(_quota_of, self._types)):
            value = int(
                quotas.get_service_quota(ServiceCode="ec2", QuotaCode=code)["Quota"]["Value"]
            )
            parts.append(f"'{name}' is {value} vCPUs")
            is_enough = is_enough and value >= needed
        text = f"{' and '.join(parts)}; FleetSize={size_of(self._parameters)} needs {needed}"
        if is_enough:
            return Line("GPU quota", OK, text)
        remedy = f"in Service Quotas, ask for {needed} vCPUs; until then jobs wait"
        return Line("GPU quota", PROBLEM, text, remedy)

    def _vcpus(self) -> int:
        """Return the vCPUs of all instances as the largest type: they are on while they set up."""
        types = list(self._offered) or self._types
        described = self._ec2.describe_instance_types(InstanceTypes=types)["InstanceTypes"]
        most = max(each["VCpuInfo"]["DefaultVCpus"] for each in described)
        return int(most) * size_of(self._parameters)

    def _zones(self) -> Line:
        found = [
            f"{name} in {', '.join(sorted(self._offered[name]))}"
            for name in self._types
            if name in self._offered
        ]
        lacking = [name for name in self._types if name not in self._offered]
        if not found:
            text = f"this region offers none of {', '.join(lacking)}"
            return Line("GPU zones", PROBLEM, text, "set other GpuTypes, or deploy elsewhere")
        if lacking:
            text = f"{'; '.join(found)}. Not here: {', '.join(lacking)}"
            return Line("GPU zones", PROBLEM, text, "leave them out of GpuTypes")
        return Line("GPU zones", OK, "; ".join(found))

    def _image(self) -> Line:
        kept = self._parameters["ImageId"]
        if kept == choices.NO_IMAGE:
            ssm = self._account.client("ssm")
            found = choices.image(ssm)
            return Line("AMI", OK, found) if found else Line("AMI", PROBLEM, *choices.no_image(ssm))
        try:
            self._ec2.describe_images(ImageIds=[kept])
        except ClientError as error:
            if not error.response["Error"]["Code"].startswith("InvalidAMIID"):
                raise
            text = f"AWS has withdrawn {kept}: no further instance can be launched with it"
            return Line("AMI", PROBLEM, text, 'deploy with PARAMETERS="ImageId="')
        return Line("AMI", OK, f"{kept}, chosen before")

    def _key(self) -> Line:
        kept = self._parameters.get("VolumeKeyArn")
        found = kept or volume_key(self._ec2, self._account.client("kms"))
        if found is None:
            remedy = 'get kms:DescribeKey, or deploy with PARAMETERS="VolumeKeyArn=arn:…:key/…"'
            text = "the account's default key for disks may not be read, or is not AWS's own"
            return Line("disk key", UNKNOWN, text, remedy)
        return Line("disk key", OK, found or "AWS's own")

    @cached_property
    def _ec2(self) -> Any:
        return self._account.client("ec2")

    @property
    def _types(self) -> list[str]:
        return choices.types_of(self._parameters["GpuTypes"])

    @cached_property
    def _offered(self) -> dict[str, set[str]]:
        return choices.offers(self._types, choices.zones(self._ec2), self._ec2)


_RAISE = "in Service Quotas, ask for more of Lambda's 'Concurrent executions', and deploy again"


def _quota_of(instance_type: str) -> tuple[str, str]:
    family = next((each for each in ("vt", "g", "p") if instance_type.startswith(each)), "g")
    return _QUOTAS[family]
