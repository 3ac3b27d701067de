"""Malformed and unclear expressions are refused, with the field, the reason and what to write."""

import re

import pytest

from chalicelib.errors import InvalidRequest
from chalicelib.services.schedules.expressions import At, Cron, Rate, parse, refuse_unclear


def refused(text: str) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        refuse_unclear(parse(text))
    assert caught.value.field == "expression"
    return caught.value


def advised(error: InvalidRequest) -> str:
    """Return the expression of a suggestion, which must pass."""
    (text,) = re.findall(r"(?:cron|rate|at)\([^)]*\)", error.suggestion)
    refuse_unclear(parse(text))
    return text


@pytest.mark.parametrize(
    ("text", "reason", "fix"),
    [
        ("cron(0 7 * * *)", "six fields and 5", "cron(0 7 * * ? *)"),
        ("cron(0 9 * * 1-5)", "six fields and 5", "cron(0 9 ? * MON-FRI *)"),
        ("cron(0 9 * * 0,6)", "six fields and 5", "cron(0 9 ? * SUN,SAT *)"),
        ("cron(0 9 ? * 2-6)", "six fields and 5", "cron(0 9 ? * 2-6 *)"),
        ("cron(0 9 1 * 1)", "six fields and 5", "cron(0 7 * * ? *)"),
        ("cron(0 0 7 * * ? *)", "six fields and 7", "cron(0 7 * * ? *)"),
        ("cron(0 0 7 ? * MON)", "day-of-week: ", "cron(0 7 ? * MON *)"),
        ("cron()", "six fields and 0", "cron(0 7 * * ? *)"),
        ("cron(every monday)", "six fields and 2", "cron(0 7 * * ? *)"),
        ("0 9 * * 1-5", "not cron(…), rate(…) or at(…)", "cron(0 9 ? * MON-FRI *)"),
        ("CRON(0 7 * * ? *)", "not cron(…), rate(…) or at(…)", "cron(0 7 * * ? *)"),
        ("cron 0 7 * * ? *", "not cron(…), rate(…) or at(…)", "cron(0 7 * * ? *)"),
        ("cron(0 7 * * * *)", "day-of-week: one of the two", "cron(0 7 * * ? *)"),
        ("cron(0 7 * * MON *)", "day-of-month: one of the two", "cron(0 7 ? * MON *)"),
        ("cron(0 7 1 * MON *)", "day-of-week: one of the two", "cron(0 7 1 * ? *)"),
        ("cron(0 7 ? * ? *)", "day-of-month: ? is in both", "cron(0 7 * * ? *)"),
        ("cron(? 7 * * ? *)", "minutes: ? is only for", "cron(* 7 * * ? *)"),
        ("cron(0 7 1,? * ? *)", "day-of-month: ? is", "cron(0 7 * * ? *)"),
        ("cron(0 7 ? * 0 *)", "day-of-week: 0 is not a day", "cron(0 7 ? * SUN *)"),
        ("cron(0 7 ? * 0-4 *)", "day-of-week: 0 is not a day", "cron(0 7 ? * SUN-THU *)"),
        ("cron(0 7 ? * 0#2 *)", "day-of-week: 0 is not a day", "cron(0 7 ? * SUN#2 *)"),
        ("cron(0 7 ? * 6#6 *)", "day-of-week: #6 is not", "cron(0 7 ? * 6#5 *)"),
        ("cron(0 7 ? * FRI-MON *)", "day-of-week: the range", "cron(0 7 ? * FRI,SAT,SUN,MON *)"),
        ("cron(0 22-2 * * ? *)", "hours: the range", "cron(0 22,23,0,1,2 * * ? *)"),
        ("cron(0 5,22-2/2 * * ? *)", "hours: the range", "cron(0 5,22,0,2 * * ? *)"),
        ("cron(0 7 1 11-2 ? *)", "month: the range", "cron(0 7 1 NOV,DEC,JAN,FEB ? *)"),
        ("cron(0 7 * * ? 2030-2027)", "year: the range", "cron(0 7 * * ? 2027-2030)"),
        ("cron(*/90 * * * ? *)", "minutes: the step 90", "rate(90 minutes)"),
        ("cron(0 */36 * * ? *)", "hours: the step 36", "rate(36 hours)"),
        ("cron(0 7 L,15 * ? *)", "day-of-month: L, W and #", "cron(0 7 L * ? *)"),
        ("cron(0 7 1W,15W * ? *)", "day-of-month: L, W and #", "cron(0 7 1W * ? *)"),
        ("cron(0 7 ? * 2#1,3#1 *)", "day-of-week: L, W and #", "cron(0 7 ? * 2#1 *)"),
        ("cron(0 7 lw * ? *)", "day-of-month: lw", "cron(0 7 LW * ? *)"),
        ("cron(0 7 1, * ? *)", "day-of-month: a value is missing", "cron(0 7 * * ? *)"),
        ("cron(0 7 *,1 * ? *)", "day-of-month: * cannot be", "cron(0 7 * * ? *)"),
        ("cron(/5 * * * ? *)", "minutes: /5 is not", "cron(* * * * ? *)"),
        ("rate(5)", "at least 1", "rate(5 minutes)"),
        ("rate(1 min)", "at least 1", "rate(1 minute)"),
        ("rate(2 hrs)", "at least 1", "rate(2 hours)"),
        ("rate(2 weeks)", "at least 1", "rate(14 days)"),
        ("rate(1 month)", "at least 1", "rate(5 minutes)"),
        ("rate(30 seconds)", "at least 1", "rate(5 minutes)"),
        ("rate(0 minutes)", "at least 1", "rate(5 minutes)"),
        ("rate(-5 minutes)", "at least 1", "rate(5 minutes)"),
        ("rate(1.5 hours)", "at least 1", "rate(5 minutes)"),
        ("at(2027-06-01T13:00:00Z)", "yyyy-mm-ddThh:mm:ss", "at(2027-06-01T13:00:00)"),
        ("at(2027-06-01T13:00:00+02:00)", "yyyy-mm-ddThh:mm:ss", "at(2027-06-01T13:00:00)"),
        ("at(2027-02-30T13:00:00)", "yyyy-mm-ddThh:mm:ss", "at(2027-06-01T13:00:00)"),
        ("at(2500-01-01T00:00:00)", "years 1970-2199", "at(2027-06-01T13:00:00)"),
    ],
)
def test_a_malformed_expression_is_refused_with_one_that_passes(
    text: str, reason: str, fix: str
) -> None:
    error = refused(text)
    assert reason in str(error)
    assert advised(error) == fix


@pytest.mark.parametrize(
    ("text", "field", "fix"),
    [
        ("cron(0 7 29W * ? *)", "day-of-month", "cron(0 7 LW * ? *)"),
        ("cron(0 7 30W * ? *)", "day-of-month", "cron(0 7 LW * ? *)"),
        ("cron(0 7 31W * ? *)", "day-of-month", "cron(0 7 LW * ? *)"),
        ("cron(0 7 L-3 * ? *)", "day-of-month", "cron(0 7 L * ? *)"),
        ("cron(0 7 ? * L *)", "day-of-week", "cron(0 7 ? * SAT *)"),
        ("cron(0 7 ? * 2/2 *)", "day-of-week", "cron(0 7 ? * MON,WED,FRI *)"),
        ("cron(0 7 ? * */2 *)", "day-of-week", "cron(0 7 ? * SUN,TUE,THU,SAT *)"),
    ],
)
def test_a_form_that_programs_read_differently_is_read_but_refused(
    text: str, field: str, fix: str
) -> None:
    assert parse(text)
    error = refused(text)
    assert str(error).startswith(f"{field}: ")
    assert advised(error) == fix


@pytest.mark.parametrize(
    ("text", "reason", "suggestion"),
    [
        ("cron(61 7 * * ? *)", "minutes: 61 is not 0-59", "Write 0-59"),
        ("cron(0/0 * * * ? *)", "minutes: the step 0 is not 1-59", "a step of 1-59"),
        ("cron(0 7 32 * ? *)", "day-of-month: 32 is not 1-31", "Write 1-31"),
        ("cron(0 7 0W * ? *)", "day-of-month: 0 is not 1-31", "Write 1-31"),
        ("cron(0 7 1 13 ? *)", "month: 13 is not 1-12 or JAN-DEC", "JAN-DEC"),
        ("cron(0 7 ? * 8 *)", "day-of-week: 8 is not 1-7 or SUN-SAT", "SUN-SAT"),
        ("cron(0 7 ? * XYZ *)", "day-of-week: XYZ is not 1-7", "SUN-SAT"),
        ("cron(0 7 * * ? 1969)", "year: 1969 is not 1970-2199", "1970-2199"),
        ("", "not cron(…), rate(…) or at(…)", "rate(5 minutes)"),
        ("every day at 7 am", "not cron(…), rate(…) or at(…)", "rate(5 minutes)"),
        ("x" * 257, "257 characters", "at most 256"),
    ],
)
def test_the_reason_names_the_field_and_what_it_may_have(
    text: str, reason: str, suggestion: str
) -> None:
    error = refused(text)
    assert reason in str(error)
    assert suggestion in error.suggestion


@pytest.mark.parametrize(
    "text",
    [
        "cron(0 7 LW * ? *)",
        "cron(0 7 ? * 5L *)",
        "cron(0 7 ? * SATL *)",
        "cron(0 7 28W * ? *)",
        "cron(1-31/30 1-1 ? * 2,3,4 *)",
        "cron(0 7 1 jan-MAR ? 2027/2)",
        "rate(1 minute)",
        "at(2028-02-29T09:00:00)",
    ],
)
def test_what_aws_accepts_is_accepted_and_sent_as_it_is(text: str) -> None:
    refuse_unclear(expression := parse(text))
    assert expression.text == text


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("  cron( 0  7 *\t* ? * ) ", "cron(0 7 * * ? *)"),
        ("rate(1 minutes)", "rate(1 minute)"),
        ("rate(05  Minute)", "rate(5 minutes)"),
        ("rate( 2 day )", "rate(2 days)"),
        ("at( 2027-06-01T13:00:00 )", "at(2027-06-01T13:00:00)"),
    ],
)
def test_spaces_and_plurals_are_corrected_before_an_expression_is_sent(
    text: str, sent: str
) -> None:
    assert parse(text).text == sent
    assert parse(sent) == parse(text)


def test_each_form_is_a_value_of_its_own() -> None:
    kinds = [type(parse(text)) for text in ("cron(0 7 * * ? *)", "rate(1 day)")]
    assert [*kinds, type(parse("at(2027-06-01T13:00:00)"))] == [Cron, Rate, At]
