"""The resources of a stack, and how to delete one that a stack leaves."""

from typing import Any, NamedTuple

TABLE, BUCKET = "AWS::DynamoDB::Table", "AWS::S3::Bucket"
STACK = "AWS::CloudFormation::Stack"

# A stack is not deleted without these: the first cost by the hour, and the others have fixed names,
# which the next stack of the same name could not use.
NEVER_LEFT = (
    "AWS::EC2::NatGateway",
    "AWS::EC2::EIP",
    "AWS::SSM::Parameter",
    "AWS::CloudWatch::Dashboard",
)

_REMOVALS = {
    TABLE: "aws dynamodb delete-table --table-name {id}",
    "AWS::EC2::SecurityGroup": "aws ec2 delete-security-group --group-id {id}",
    "AWS::EC2::Subnet": "aws ec2 delete-subnet --subnet-id {id}",
    "AWS::EC2::VPC": "aws ec2 delete-vpc --vpc-id {id}",
    "AWS::Lambda::Function": "aws lambda delete-function --function-name {id}",
}


class Resource(NamedTuple):
    """A resource by its name in the template, with the status that CloudFormation gives it."""

    name: str
    kind: str
    id: str
    status: str
    reason: str

    @classmethod
    def of(cls, described: dict[str, Any]) -> "Resource":
        """Return the resource of a summary, or of an event, of CloudFormation."""
        return cls(
            described["LogicalResourceId"],
            described["ResourceType"],
            described.get("PhysicalResourceId", ""),
            described["ResourceStatus"],
            described.get("ResourceStatusReason", ""),
        )

    @property
    def is_cause(self) -> bool:
        """Whether it failed itself, and not because another one did."""
        return self.status.endswith("_FAILED") and "cancelled" not in self.reason

    @property
    def failure(self) -> str:
        return f"  {self.name} ({self.kind}): {self.reason or self.status}"

    @property
    def removal(self) -> str:
        """Say what the resource is, and how to delete it by hand."""
        if self.kind == BUCKET:  # has versions of objects, which AWS's CLI does not delete
            how = "empty it, and then delete it, in the console of S3"
        elif self.kind in _REMOVALS:
            how = f"`{_REMOVALS[self.kind].format(id=self.id)}`"
        else:
            how = f"the console of {self.kind.split('::')[1]}"
        return f"{self.id} ({self.name}, {self.kind}); to delete it: {how}"
