"""The bucket as the template declares it: private, readable by browsers, with expiry."""

from typing import Any

from tests.environment import RESOURCES

BUCKET = RESOURCES["Resources"]["ImagesBucket"]["Properties"]
RULES: list[Any] = BUCKET["LifecycleConfiguration"]["Rules"]


def test_the_bucket_is_private_and_requires_tls() -> None:
    assert set(BUCKET["PublicAccessBlockConfiguration"].values()) == {True}
    [statement] = RESOURCES["Resources"]["ImagesBucketPolicy"]["Properties"]["PolicyDocument"][
        "Statement"
    ]
    assert (statement["Effect"], statement["Condition"]["Bool"]) == (
        "Deny",
        {"aws:SecureTransport": "false"},
    )


def test_the_bucket_outlives_its_stack() -> None:
    bucket = RESOURCES["Resources"]["ImagesBucket"]
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == (
        "RetainExceptOnCreate",
        "Retain",
    )


def test_pages_of_every_origin_may_read_what_they_have_a_link_to_and_nothing_else() -> None:
    [rule] = BUCKET["CorsConfiguration"]["CorsRules"]
    # A browser that follows a redirect to another origin sends `Origin: null`.
    assert (rule["AllowedOrigins"], rule["AllowedHeaders"]) == (["*"], ["*"])
    assert set(rule["AllowedMethods"]) == {"GET", "HEAD"}
    assert set(rule["ExposedHeaders"]) >= {"ETag", "Content-Length", "Content-Disposition"}


def test_images_and_their_provenance_expire_only_if_retention_days_are_set() -> None:
    parameter = RESOURCES["Parameters"]["ImageRetentionDays"]
    assert (parameter["Default"], parameter["MinValue"]) == (0, 0)
    condition, expiry, otherwise = RULES[1]["Fn::If"]
    days = {"Ref": "ImageRetentionDays"}
    assert RESOURCES["Conditions"][condition] == {"Fn::Not": [{"Fn::Equals": [days, "0"]}]}
    assert expiry["ExpirationInDays"] == days
    assert (expiry["Prefix"], expiry["Status"]) == ("images/", "Enabled")
    assert otherwise == {"Ref": "AWS::NoValue"}


def test_incomplete_uploads_are_deleted_after_a_day() -> None:
    assert RULES[0]["Status"] == "Enabled"
    assert RULES[0]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}


def test_the_functions_get_the_retention_days_of_images() -> None:
    variables = RESOURCES["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["IMAGE_RETENTION_DAYS"] == {"Ref": "ImageRetentionDays"}
