"""The template that CloudFormation gets from SAM, of which infra/resources is only a part."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from chalicelib.api.application import METHODS
from infra.deploy.deployment import locate
from infra.package import ZIPS, package
from infra.preflights import preflights, redeploy_if_changed
from local.stack.emulator import PYTHON

Template = dict[str, Any]

# Types whose names are unique in an account, not in a region.
GLOBAL = (
    "AWS::CloudWatch::Dashboard",
    "AWS::IAM::Group",
    "AWS::IAM::InstanceProfile",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Role",
    "AWS::IAM::User",
    "AWS::S3::Bucket",
)
# What everybody may read, served by a function that may do nothing.
PAGES = {"/api/images/docs", "/api/images/docs/{file}", "/api/images/openapi.json"}
DATA = ("AWS::DynamoDB::Table", "AWS::S3::Bucket")


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Template:
    directory = tmp_path_factory.mktemp("package")
    package(directory)
    template: Template = json.loads((directory / "template.json").read_text())
    locate(template, {name: f"s3://darkroom-deployments/{name}" for name in ZIPS})
    return template


@pytest.fixture(scope="module")
def translated(packaged: Template, tmp_path_factory: pytest.TempPathFactory) -> Template:
    return translate(packaged, tmp_path_factory.mktemp("translated"))


def translate(template: Template, folder: Path) -> Template:
    file = folder / "packaged.json"
    file.write_text(json.dumps(template))
    command = [PYTHON, Path(__file__).with_name("translate.py"), file]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    answer: Template = json.loads(done.stdout)
    return answer


def of(translated: Template, *types: str) -> dict[str, Any]:
    resources = translated["Resources"].items()
    return {name: resource for name, resource in resources if resource["Type"] in types}


def properties(translated: Template, *types: str) -> list[Any]:
    return [resource.get("Properties", {}) for resource in of(translated, *types).values()]


def statements(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the statements of all policies in a part of the template, trust policies too."""
    if isinstance(value, dict):
        if "Effect" in value:
            yield value
        for each in value.values():
            yield from statements(each)
    elif isinstance(value, list):
        for each in value:
            yield from statements(each)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_cfn_lint_passes(translated: Template, tmp_path: Path) -> None:
    file = tmp_path / "template.json"
    file.write_text(json.dumps(translated, indent=1))
    # W2001: `make key` reads parameters that no resource has. W2506: as in the template's metadata.
    ignored = ["--ignore-checks", "W2001", "W2506"]
    command = [Path(sys.executable).with_name("cfn-lint"), file, *ignored]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_api_has_one_stage_whose_requests_are_all_throttled(translated: Template) -> None:
    [stage] = properties(translated, "AWS::ApiGateway::Stage")
    assert stage["StageName"] == "live"
    limits = stage["MethodSettings"][0]
    assert (limits["ResourcePath"], limits["HttpMethod"]) == ("/*", "*")
    assert {"ThrottlingRateLimit", "ThrottlingBurstLimit"} <= limits.keys()
    [deployment] = properties(translated, "AWS::ApiGateway::Deployment")
    assert deployment.keys().isdisjoint({"StageName", "StageDescription"})


def test_no_function_can_be_called_but_through_that_api(translated: Template) -> None:
    assert not of(translated, "AWS::Lambda::Url", "AWS::ApiGatewayV2::Api")
    assert len(of(translated, "AWS::ApiGateway::RestApi")) == 1
    permissions = properties(translated, "AWS::Lambda::Permission")
    assert permissions
    for each in permissions:
        assert each["Principal"] in {"apigateway.amazonaws.com", "events.amazonaws.com"}
        assert each.keys() & {"SourceArn", "SourceAccount"}, each
        assert each.get("SourceArn") != "*"


def test_every_method_but_preflights_and_pages_needs_the_authorizer(translated: Template) -> None:
    [api] = properties(translated, "AWS::ApiGateway::RestApi")
    document = api["Body"]
    assert document["swagger"] == "2.0"
    [name] = document["securityDefinitions"]
    assert "openapi" not in document
    for path, methods in document["paths"].items():
        for method, declared in methods.items():
            is_open = method == "options" or path in PAGES
            wanted = None if is_open else [{name: []}]
            assert declared.get("security") == wanted, (method, path)
            called = json.dumps(declared["x-amazon-apigateway-integration"].get("uri", ""))
            assert ("${Pages.Arn}" in called) == (path in PAGES and method != "options")
    assert document["paths"].keys() > PAGES


def test_the_pages_have_their_own_variables_only(translated: Template) -> None:
    environment = translated["Resources"]["Pages"]["Properties"]["Environment"]
    assert environment["Variables"].keys() == {"API_URL", "ALLOWED_ORIGIN", "CALLED_URLS"}


def test_what_everybody_may_load_has_limits_of_its_own(translated: Template) -> None:
    [stage] = properties(translated, "AWS::ApiGateway::Stage")
    _, *of_pages = stage["MethodSettings"]
    assert {(each["ResourcePath"], each["HttpMethod"]) for each in of_pages} == {
        (f"/{path.replace('/', '~1')}", method) for path in PAGES for method in METHODS
    }
    for each in of_pages:
        assert (each["ThrottlingRateLimit"], each["ThrottlingBurstLimit"]) == (2, 50)


def test_answers_of_more_than_a_packet_are_compressed(translated: Template) -> None:
    [api] = properties(translated, "AWS::ApiGateway::RestApi")
    assert api["MinimumCompressionSize"] == 1400
    assert api["Body"]["x-amazon-apigateway-minimum-compression-size"] == 1400
    binary = set(api["Body"]["x-amazon-apigateway-binary-media-types"])
    assert binary.isdisjoint({"text/html", "text/css", "text/javascript", "application/json"})
    assert not any("*" in kind for kind in binary)


def test_no_preflight_and_no_error_allows_a_literal_origin(packaged: Template) -> None:
    api = packaged["Resources"]["RestAPI"]["Properties"]
    answers = [
        response["responseParameters"]["method.response.header.Access-Control-Allow-Origin"]
        for each in preflights(packaged).values()
        for response in each["x-amazon-apigateway-integration"]["responses"].values()
    ]
    assert len(answers) == len(api["DefinitionBody"]["paths"])
    errors = [
        each["ResponseParameters"]["Headers"]["Access-Control-Allow-Origin"]
        for each in api["GatewayResponses"].values()
    ]
    assert all(each == {"Fn::Sub": "'${AllowedOrigin}'"} for each in (*answers, *errors))


def test_another_origin_deploys_the_api_again(packaged: Template, tmp_path: Path) -> None:
    def deployed(**parameters: str) -> Any:
        template = json.loads(json.dumps(packaged))
        redeploy_if_changed(template, parameters)
        return [*of(translate(template, tmp_path), "AWS::ApiGateway::Deployment")]

    first = deployed()
    assert deployed(AllowedOrigin="*") == first
    assert deployed(AllowedOrigin="https://shop.example") != first


def test_no_address_may_connect_to_a_security_group(translated: Template) -> None:
    groups = properties(translated, "AWS::EC2::SecurityGroup")
    rules = [rule for each in groups for rule in listed(each.get("SecurityGroupIngress", []))]
    rules += properties(translated, "AWS::EC2::SecurityGroupIngress")
    assert [(rule["GroupId"], rule["SourceSecurityGroupId"]) for rule in rules] == [
        ({"Fn::GetAtt": ["GpuGroup", "GroupId"]}, {"Fn::GetAtt": ["FunctionGroup", "GroupId"]})
    ]
    for rule in rules:
        assert rule["FromPort"] == rule["ToPort"] == {"Ref": "ComfyUIPort"}
        assert rule["IpProtocol"] == "tcp"
        assert rule.keys().isdisjoint({"CidrIp", "CidrIpv6", "SourcePrefixListId"})


def test_every_security_group_lists_what_it_sends(translated: Template) -> None:
    """Without rules EC2 allows everything."""
    for each in properties(translated, "AWS::EC2::SecurityGroup"):
        assert each["SecurityGroupEgress"]


def test_no_bucket_is_public(translated: Template) -> None:
    for each in properties(translated, "AWS::S3::Bucket"):
        blocked = each["PublicAccessBlockConfiguration"]
        assert len(blocked) == 4
        assert set(blocked.values()) == {True}
        assert "AccessControl" not in each
        assert "WebsiteConfiguration" not in each


def test_no_policy_allows_everyone_or_every_action(translated: Template) -> None:
    allowing = [each for each in statements(translated["Resources"]) if each["Effect"] == "Allow"]
    assert len(allowing) > 20
    for each in allowing:
        assert "NotAction" not in each
        assert not any("*" in action for action in listed(each["Action"])), each
        principals = listed(each.get("Principal", {}))
        named = [name for each in principals if each != "*" for name in each.values()]
        assert "*" not in (*principals, *named), each


def test_a_service_that_acts_for_others_names_this_account(translated: Template) -> None:
    """Lambda and EC2 use only roles that were given to this account's own resources."""
    for role in properties(translated, "AWS::IAM::Role"):
        for each in statements(role["AssumeRolePolicyDocument"]):
            if each["Principal"]["Service"] not in {"lambda.amazonaws.com", "ec2.amazonaws.com"}:
                conditions = each["Condition"]["StringEquals"]
                assert conditions.keys() & {"aws:SourceAccount", "aws:SourceArn"}


def test_names_that_are_set_carry_their_stack_and_global_ones_the_region(
    translated: Template,
) -> None:
    named = dict(names(translated))
    assert {"Dashboard", "ScheduleGroup", "InstanceSettings"} <= named.keys()
    for name, text in named.items():
        assert "AWS::Stack" in text, name
        if translated["Resources"][name]["Type"] in GLOBAL:
            assert "AWS::Region" in text, name


def names(translated: Template) -> Iterator[tuple[str, str]]:
    """Yield the resources that get a name of ours, as text with references.

    A stage's name is one of its API.
    """
    for name, resource in translated["Resources"].items():
        kind = resource["Type"].rpartition("::")[2]
        if kind == "Stage":
            continue
        given = resource.get("Properties", {})
        for key in given.keys() & {"Name", f"{kind}Name"}:
            yield name, json.dumps(given[key])


def test_data_outlives_its_stack(translated: Template) -> None:
    data = of(translated, *DATA)
    assert len(data) >= 7
    for name, each in data.items():
        assert each["DeletionPolicy"] in {"Retain", "RetainExceptOnCreate"}, name
        assert each["UpdateReplacePolicy"] == "Retain", name
