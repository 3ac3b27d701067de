"""The bucket as the template declares it: private, readable by browsers, and it forgets."""

from typing import Any

from tests.conftest import RESOURCES

BUCKET = RESOURCES["Resources"]["ImagesBucket"]["Properties"]
RULES: list[Any] = BUCKET["LifecycleConfiguration"]["Rules"]


def test_nothing_in_it_is_public() -> None:
    assert set(BUCKET["PublicAccessBlockConfiguration"].values()) == {True}
    [statement] = RESOURCES["Resources"]["ImagesBucketPolicy"]["Properties"]["PolicyDocument"][
        "Statement"
    ]
    assert (statement["Effect"], statement["Condition"]["Bool"]) == (
        "Deny",
        {"aws:SecureTransport": "false"},
    )


def test_it_is_kept_whatever_becomes_of_the_stack() -> None:
    bucket = RESOURCES["Resources"]["ImagesBucket"]
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == (
        "RetainExceptOnCreate",
        "Retain",
    )


def test_browsers_of_the_allowed_origin_may_read_images_and_do_no_more() -> None:
    [rule] = BUCKET["CorsConfiguration"]["CorsRules"]
    assert rule["AllowedOrigins"] == [{"Ref": "AllowedOrigin"}]
    assert set(rule["AllowedMethods"]) == {"GET", "HEAD"}


def test_images_and_their_provenance_expire_only_where_days_are_set() -> None:
    parameter = RESOURCES["Parameters"]["ImageRetentionDays"]
    assert (parameter["Default"], parameter["MinValue"]) == (0, 0)
    condition, expiry, otherwise = RULES[1]["Fn::If"]
    days = {"Ref": "ImageRetentionDays"}
    assert RESOURCES["Conditions"][condition] == {"Fn::Not": [{"Fn::Equals": [days, "0"]}]}
    assert expiry["ExpirationInDays"] == days
    assert (expiry["Prefix"], expiry["Status"]) == ("images/", "Enabled")
    assert otherwise == {"Ref": "AWS::NoValue"}


def test_uploads_that_broke_off_are_deleted_after_a_day() -> None:
    assert RULES[0]["Status"] == "Enabled"
    assert RULES[0]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}


def test_the_functions_know_for_how_long_images_are_kept() -> None:
    variables = RESOURCES["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["IMAGE_RETENTION_DAYS"] == {"Ref": "ImageRetentionDays"}
