from datetime import UTC, datetime

import pytest

from kvk_enrich.practice.faults import Fault, Script, parse

SECOND = 1_000_000_000


def hits(fault, requests):
    """The places, counted from 1, of the *requests* (numbers, one a second) that *fault* applies to."""
    script = Script([fault], seed=0, started_ns=0)
    return [place + 1 for place, number in enumerate(requests) if script.next(number, place * SECOND) is not None]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("status=503 share=0.05 times=1", Fault(status=503, share=0.05, times=1)),
        ("cut=20 nth=3", Fault(cut=20, nth=(3, 3))),
        ("reset share=0.01", Fault(reset=True, share=0.01)),
        ("outage=10..20", Fault(outage=(10, 20), status=503)),
        ("outage=0..1.5 reset", Fault(outage=(0, 1.5), reset=True)),
        ("retry-after=2 status=429 nth=50", Fault(retry_after="2", status=429, nth=(50, 50))),
        ("retry-after='in a moment'", Fault(retry_after="in a moment", status=429)),
        ("code=IPD1003 number=69599084,68750110", Fault(code="IPD1003", numbers=frozenset({"69599084", "68750110"}))),
        ("status=401 nth=100..", Fault(status=401, nth=(100, None))),
        ("delay=2.5 every=10", Fault(delay=2.5, every=10)),
        ("body=html nth=1..3", Fault(body="html", nth=(1, 3))),
        ("other-number times=2", Fault(other_number=True, times=2)),
    ],
)
def test_words_become_a_fault(text, fault):
    """Each word of the small language, alone and together."""
    assert parse(text) == fault


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "does not say what goes wrong"),
        ("nth=3", "does not say what goes wrong"),
        ("explode", "no word 'explode'"),
        ("reset=1", "no word 'reset=1'"),
        ("status", "no word 'status'"),
        ("status=99", "status=99 in a fault: an HTTP status"),
        ("status=abc", "status=abc in a fault: a whole number"),
        ("status=503 share=5", "share=5 in a fault: a share between 0 and 1"),
        ("status=503 share=some", "a share between 0 and 1"),
        ("status=503 nth=0", "a whole number from 1 on"),
        ("status=503 nth=5..3", "the last comes before the first"),
        ("outage=20..10", "FROM before TO"),
        ("outage=soon", "a number of seconds"),
        ("delay=-1", "a number of seconds"),
        ("retry-after=date+x", "a number of seconds"),
        ("reset number=abc", "numbers are needed"),
        ("code=no-code", "a code such as IPD1002"),
        ("body=poem", "one of html, broken, other, empty"),
    ],
)
def test_other_words_are_refused_by_name(text, complaint):
    """Whoever mistypes is told which word it was."""
    with pytest.raises(ValueError, match=complaint):
        parse(text)


def test_requests_are_counted_from_one():
    """One place, a range of places, all from one on, or each so manieth."""
    requests = ["1"] * 6

    assert hits(parse("reset nth=3"), requests) == [3]
    assert hits(parse("reset nth=2..4"), requests) == [2, 3, 4]
    assert hits(parse("reset nth=5.."), requests) == [5, 6]
    assert hits(parse("reset every=3"), requests) == [3, 6]


def test_times_are_counted_for_each_number():
    """A number that had its share of trouble is left alone."""
    assert hits(parse("reset times=1"), ["1", "2", "1", "2", "3"]) == [1, 2, 5]


def test_a_share_is_of_numbers_and_stays_the_same():
    """About the share asked for, and the same numbers again."""
    requests = [f"{number:08}" for number in range(4_000)]
    fault = parse("reset share=0.05")

    assert 150 < len(hits(fault, requests)) < 250
    assert hits(fault, requests) == hits(fault, requests)


def test_an_outage_has_a_beginning_and_an_end():
    """Seconds since the start; the end is not part of it."""
    assert hits(parse("outage=2..4"), ["1"] * 6) == [3, 4]


def test_conditions_add_up():
    """All must hold."""
    assert hits(parse("reset nth=2.. number=7 times=1"), ["7", "8", "7", "7"]) == [3]


def test_of_several_faults_the_first_that_applies_does():
    """One request, one fault."""
    reset, slow = parse("reset nth=2"), parse("delay=1")
    script = Script([reset, slow], seed=0, started_ns=0)

    assert [script.next("1", 0) for _ in range(3)] == [slow, reset, slow]


def test_retry_after_may_be_a_date():
    """An HTTP date so many seconds from now; anything else goes out as it is."""
    now = datetime(2026, 11, 21, 23, 59, 58, tzinfo=UTC)

    assert parse("retry-after=date+5").retry_after_header(now) == "Sun, 22 Nov 2026 00:00:03 GMT"
    assert parse("retry-after=soon").retry_after_header(now) == "soon"
    assert parse("reset").retry_after_header(now) is None
