"""
The closed list of reasons: why a row is not found, invalid, failed or deferred.

A reason is a stable code that reports can group by; the sentences are for people. The code
stands in ``enrich_reason`` and in the failed-items report.
"""

from dataclasses import dataclass

from kvk_enrich.model import Status


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: its *code*, the *status* it leads to, and what people are told about it."""

    code: str
    status: Status
    sentence: str
    what_to_do: str
    retryable: bool = False


_CHECK_NUMBER = "Look the company up on kvk.nl and correct the number."
_CHECK_SOURCE = "Take the number from an invoice or from the company itself."
_OTHER_KIND = "Put the number asked for in this column, or leave --kind out, so that each cell is read as what it is."
_RUN_AGAIN = "Run the same command again: only what is missing is asked."

_ALL = (
    # the cell
    Reason("empty", Status.INVALID, "The cell is empty.", "Fill in the number."),
    Reason(
        "placeholder",
        Status.INVALID,
        "The cell holds a stand-in such as n.v.t. or 00000000, not a number.",
        "Fill in the number, or leave the row as it is.",
    ),
    Reason(
        "digits_lost",
        Status.INVALID,
        "A spreadsheet saved this number in scientific notation and its last digits are gone.",
        "Take the number from the source again, with the column formatted as text.",
    ),
    Reason(
        "looks_like_rsin",
        Status.INVALID,
        "Nine digits: this looks like an RSIN, not like the kind of number asked for.",
        _OTHER_KIND,
    ),
    Reason(
        "looks_like_branch_number",
        Status.INVALID,
        "Twelve digits: this looks like a branch number (vestigingsnummer), not like the kind of number asked for.",
        _OTHER_KIND,
    ),
    Reason(
        "looks_like_vat",
        Status.INVALID,
        "This looks like a VAT number, not like the kind of number asked for.",
        _OTHER_KIND,
    ),
    Reason(
        "looks_like_kvk",
        Status.INVALID,
        "This looks like a KVK number, not like the kind of number asked for.",
        _OTHER_KIND,
    ),
    Reason(
        "citizen_number",
        Status.INVALID,
        "The cell calls its number a citizen service number (BSN): no register of companies may get it.",
        "Take citizen service numbers out of the list.",
    ),
    Reason(
        "country_missing",
        Status.INVALID,
        "A VAT number without its country: the digits alone may be of several.",
        "Put the country's two letters in front, or name the column that holds it with --country-column.",
    ),
    Reason(
        "vat_gb",
        Status.INVALID,
        "A British VAT number: the EU's register does not have those since 2021.",
        "Check it at gov.uk; for a company in Northern Ireland write XI in front instead of GB.",
    ),
    Reason(
        "vat_not_in_vies",
        Status.INVALID,
        "A tax number that the EU's register does not have: Swiss, Norwegian or of the one-stop shop.",
        "Check it in the register of its country.",
    ),
    Reason(
        "wrong_format",
        Status.INVALID,
        "The country's VAT numbers do not have this form: a digit too many, too few, or a wrong letter.",
        _CHECK_SOURCE,
    ),
    Reason(
        "check_digit",
        Status.INVALID,
        "The check digit is wrong, so a digit was mistyped.",
        f"{_CHECK_SOURCE} Without --strict the register is asked all the same.",
    ),
    Reason(
        "two_numbers",
        Status.INVALID,
        "The cell holds more than one number.",
        "Give each number a row of its own.",
    ),
    Reason(
        "wrong_length",
        Status.INVALID,
        "No number has so many digits; a KVK number has 8 (7 when a spreadsheet dropped a leading zero).",
        _CHECK_NUMBER,
    ),
    Reason(
        "not_a_number",
        Status.INVALID,
        "The cell holds text from which no number can be read.",
        _CHECK_NUMBER,
    ),
    # the register's answer
    Reason(
        "not_registered",
        Status.NOT_FOUND,
        "The register delivers nothing for this number: never issued, or ended and removed.",
        _CHECK_NUMBER,
    ),
    Reason(
        "no_route",
        Status.FAILED,
        "This source cannot be asked by this kind of number.",
        "Use --source kvk, or put the KVK number in this column.",
    ),
    Reason(
        "not_valid_in_register",
        Status.NOT_FOUND,
        "The register calls this number not valid.",
        _CHECK_NUMBER,
    ),
    Reason(
        "no_branches",
        Status.NOT_FOUND,
        "The register delivers no branches for this number: it has none, or is not registered.",
        "Nothing if the company was found; else look it up on kvk.nl and correct the number.",
    ),
    Reason(
        "vat_not_valid",
        Status.NOT_FOUND,
        "VIES says that this VAT number is not valid for trade within the EU.",
        "Ask the company for its VAT number; a number may also be new, ended, or not registered for trade abroad.",
    ),
    # could not ask, or got no usable answer
    Reason(
        "in_process",
        Status.FAILED,
        "The register is working on this entry and delivers it later.",
        "Run again after some hours, at the latest tomorrow.",
        retryable=True,
    ),
    Reason(
        "rate_limited",
        Status.FAILED,
        "The register kept saying that calls come too fast.",
        "Run again later; if other programs use the same key, lower requests_per_second.",
        retryable=True,
    ),
    Reason(
        "server_error", Status.FAILED, "The register answered with an error of its own.", _RUN_AGAIN, retryable=True
    ),
    Reason("timeout", Status.FAILED, "The register did not answer in time.", _RUN_AGAIN, retryable=True),
    Reason(
        "connection_lost",
        Status.FAILED,
        "The connection broke before the answer was complete.",
        _RUN_AGAIN,
        retryable=True,
    ),
    Reason("unreachable", Status.FAILED, "The register could not be reached.", _RUN_AGAIN, retryable=True),
    Reason(
        "unreadable_answer",
        Status.FAILED,
        "The answer could not be read as the register's format.",
        "Run again; if it stays so, report it with the run id.",
        retryable=True,
    ),
    Reason(
        "unexpected_answer",
        Status.FAILED,
        "Something answered that does not speak as the register does: a proxy, a portal, a wrong base_url.",
        "Check the source's base_url and the network between, then run again.",
        retryable=True,
    ),
    Reason(
        "answer_too_large",
        Status.FAILED,
        "The answer was larger than any the register gives.",
        "Run again; if it stays so, report it with the run id.",
        retryable=True,
    ),
    Reason(
        "wrong_company",
        Status.FAILED,
        "The answer was about another number than the one asked.",
        "Run again; if it stays so, report it with the run id.",
        retryable=True,
    ),
    Reason(
        "several_companies",
        Status.FAILED,
        "The number leads to several KVK numbers, and not to one that is active.",
        "Put the KVK number of the company that is meant in its place.",
    ),
    Reason(
        "request_refused",
        Status.FAILED,
        "The register refused the request as wrong.",
        "Report it with the run id: this is a fault of the program or of the configuration.",
    ),
    Reason(
        "access_refused",
        Status.FAILED,
        "The register refused the key, or the connection to it is not safe.",
        "Check key, address and TLS with: kvk-enrich config check --online",
        retryable=True,
    ),
    Reason(
        "vies_busy",
        Status.FAILED,
        "VIES or the member state behind it kept saying that too many are asking.",
        "Run the same command again at a quiet hour, such as at night.",
        retryable=True,
    ),
    Reason(
        "vies_unavailable",
        Status.FAILED,
        "VIES or the member state behind it was away; that says nothing about the number.",
        "Run the same command again later.",
        retryable=True,
    ),
    Reason(
        "vies_blocked",
        Status.FAILED,
        "VIES has blocked this address or requester; nothing more was asked of it.",
        "Wait a day and ask fewer numbers a day (source.vies.calls_per_day).",
        retryable=True,
    ),
    Reason(
        "invalid_doubted",
        Status.FAILED,
        "VIES said not valid while the member state was failing, and could not be asked a second time.",
        "Run the same command again later.",
        retryable=True,
    ),
    Reason(
        "requester_refused",
        Status.FAILED,
        "VIES does not accept the requester's VAT number.",
        "Check source.vies.requester, or leave it out.",
        retryable=True,
    ),
    Reason(
        "missing_in_answer",
        Status.FAILED,
        "The register answered the batch and left this number out.",
        _RUN_AGAIN,
        retryable=True,
    ),
    Reason(
        "failed_in_batch",
        Status.FAILED,
        "The register lists this number as failed and does not say why.",
        _RUN_AGAIN,
        retryable=True,
    ),
    Reason(
        "allowance_spent",
        Status.FAILED,
        "The register ran out of this key's allowance within the batch.",
        "Run the same command next month, or raise the allowance at the register.",
        retryable=True,
    ),
    Reason(
        "vat_unconfirmed",
        Status.FAILED,
        "The register has no fresh answer of VIES about this VAT number.",
        "Run the same command again later, or ask VIES itself.",
        retryable=True,
    ),
    # not asked, on purpose
    Reason(
        "run_ceiling",
        Status.DEFERRED,
        "The ceiling of this run (--max-eur or --max-calls) was reached before this number's turn.",
        "Run again with a higher ceiling.",
        retryable=True,
    ),
    Reason(
        "share_ceiling",
        Status.DEFERRED,
        "The share of the month's allowance that this job may use is used up; the rest is kept for other jobs.",
        "Run again next month, or change budget.share; kvk-enrich budget shows who used what.",
        retryable=True,
    ),
    Reason(
        "month_ceiling",
        Status.DEFERRED,
        "The month's allowance of this key is used up.",
        "Run the same command next month, or raise the allowance if KVK granted more.",
        retryable=True,
    ),
    Reason(
        "day_ceiling",
        Status.DEFERRED,
        "As much was asked of this service today as it should be.",
        "Run the same command tomorrow.",
        retryable=True,
    ),
    Reason(
        "time_ceiling",
        Status.DEFERRED,
        "--max-runtime or --deadline ended the run before this number's turn.",
        _RUN_AGAIN,
        retryable=True,
    ),
    Reason(
        "offline",
        Status.DEFERRED,
        "Not known yet, and --offline allows no call.",
        "Run again without --offline.",
        retryable=True,
    ),
    Reason(
        "not_sampled",
        Status.DEFERRED,
        "Outside the sample asked for with --sample.",
        "Run again without --sample.",
        retryable=True,
    ),
    Reason(
        "not_selected",
        Status.DEFERRED,
        "The column named by --only-missing is filled in this row.",
        "Nothing; leave --only-missing out to ask for every row.",
    ),
    Reason("stopped", Status.DEFERRED, "The run was stopped before this number's turn.", _RUN_AGAIN, retryable=True),
    Reason(
        "unavailable",
        Status.DEFERRED,
        "The register was unavailable for too long; the run stopped.",
        _RUN_AGAIN,
        retryable=True,
    ),
)

REASONS = {reason.code: reason for reason in _ALL}
"""Every reason by its code."""


FLAGS = {
    "check_digit": "The check digit is wrong: probably a typing error; the register has the last word.",
    "guess": "Letters were read as digits: look whether the number is the right one.",
    "kvk_not_derivable": "A sole trader's VAT number: its digits lead to no KVK number. Look the company up by name.",
    "rsin_not_registered": "The VAT number is valid, but KVK knows no company by it: perhaps a fiscal unity.",
    "vat_unconfirmed": "The VAT number made from the RSIN was not confirmed by VIES.",
    "numbers_disagree": "The two numbers of this row belong to different companies.",
    "stale": "An older answer: there was no money or time to ask anew; enrich_fetched_at tells its age.",
    "other_not_found": "The other number of this row is not found, or not valid.",
}
"""What is to know of a number or its answer, by code: not a reason to leave it out."""
