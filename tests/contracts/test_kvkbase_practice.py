"""The register and the practice kvkbase together: each number has its right outcome, however the real one writes it."""

from itertools import islice

import anyio
import pytest

from kvk_enrich.errors import AllowanceSpent, Transient
from kvk_enrich.model import Call, Failed, Found, Kind, NotFound, Outcome, Secret
from kvk_enrich.practice import population, vat_numbers
from kvk_enrich.practice.faults import parse
from kvk_enrich.practice.kvkbase import create
from kvk_enrich.practice.settings import Kvkbase as Settings
from kvk_enrich.practice.settings import Practice
from kvk_enrich.registers.kvkbase import MOST_IN_BATCH, TOKENS, Kvkbase
from kvk_enrich.registers.kvkbase_records import READERS

KEY = "kvk_test_practice"
KNOWN = tuple(islice(population.numbers(), 400))
UNKNOWN = ("12345678", "90004333", "00000000", "99999999")
MIXED = (*KNOWN[:48], *UNKNOWN, *KNOWN[48:96])


async def sent():
    """The moment of sending, without a gate."""


def together(use, faults=(), **own):
    """Return what *use* makes of a register and the practice kvkbase that it asks."""
    app = create(Practice(latency_seconds=0, kvkbase=Settings(faults=tuple(map(parse, faults)), **own)))

    async def main():
        async with Kvkbase("http://practice.test/kvkbase/v1", Secret(KEY), timeout_seconds=5, app=app) as register:
            return await use(register)

    return anyio.run(main), app.spent(KEY)


def fetched(call, faults=(), **own):
    """Return the reply to *call*, and the tokens spent on it."""
    return together(lambda register: register.fetch(call, sent), faults, **own)


@pytest.mark.parametrize("product", ["lookup", "enriched"])
@pytest.mark.parametrize(
    "own",
    [
        {},
        {"wording": "documented"},
        {"failed_as": "numbers"},
        {"batch_order": "reversed"},
        {"batch_gaps": 0.1},
        {"charges": "found"},
        {"batch_counts": "each"},
        {"over_allowance": "part"},
    ],
    ids=str,
)
def test_a_batch_has_the_right_outcomes_in_any_way_of_writing_it(product, own):
    """Found is the company, not found needs a code, and the rest could not be asked."""
    reply, spent = fetched(Call(product, Kind.KVK, MIXED), **own)

    assert tuple(answer.number for answer in reply.answers) == MIXED
    found = [answer for answer in reply.answers if isinstance(answer, Found)]
    rows = READERS[product].rows([answer.body for answer in found])
    assert rows["kvk_number"].to_list() == [answer.number for answer in found]
    assert not set(rows["kvk_number"]) & set(UNKNOWN)
    absent = {answer.number for answer in reply.answers if isinstance(answer, NotFound)}
    assert absent <= set(UNKNOWN)
    failed = {answer.reason for answer in reply.answers if isinstance(answer, Failed)}
    if "failed_as" in own:
        assert (failed, absent) == ({"failed_in_batch"}, set())
    elif "batch_gaps" in own:
        assert failed == {"missing_in_answer"}
    else:
        assert (len(found), absent, failed) == (96, set(UNKNOWN), set())
    assert reply.left == 5_000 - spent
    assert spent == TOKENS[product] * (len(found) if "charges" in own else len(MIXED))


def test_a_single_answer_and_a_part_of_a_batch_fill_the_same_columns():
    """Byte for byte they may differ, column by column they do not (the moment of the check apart)."""

    async def both(register):
        batch = await register.fetch(Call("enriched", Kind.KVK, KNOWN[:20]), sent)
        single = [await register.fetch(Call("enriched", Kind.KVK, (number,)), sent) for number in KNOWN[:20]]
        return [answer.body for answer in batch.answers], [reply.answers[0].body for reply in single]

    (batched, alone), _ = together(both)

    rows = READERS["enriched"].rows
    assert rows(batched).drop("vat_checked_at").equals(rows(alone).drop("vat_checked_at"), null_equal=True)


def test_partial_quota_loses_no_answer():
    """What the tokens reached is kept, the rest can be asked next month, and nothing is left."""
    reply, spent = fetched(Call("enriched", Kind.KVK, KNOWN[:10]), tokens_per_month=22, over_allowance="part")

    assert [type(answer) for answer in reply.answers] == [Found] * 4 + [Failed] * 6
    assert {answer.reason for answer in reply.answers if isinstance(answer, Failed)} == {"allowance_spent"}
    assert (reply.left, spent) == (2, 20)


def test_two_refusals_with_the_same_status_are_told_apart():
    """Slow down, or stop."""
    with pytest.raises(AllowanceSpent, match="tokens left: 9"):
        fetched(Call("lookup", Kind.KVK, KNOWN[:10]), tokens_per_month=9)
    with pytest.raises(Transient) as raised:
        fetched(Call("lookup", Kind.KVK, KNOWN[:10]), requests_per_minute=9, batch_counts="each")
    assert (raised.value.reason, raised.value.retry_after) == ("rate_limited", 1)


def test_with_faults_at_five_per_cent_no_outage_is_an_absence():
    """Asked again as long as it is worth it; spent is what the service counts for all attempts."""
    faults = [
        f"{what} share=0.05 times=1"
        for what in ("status=502", "status=503", "body=broken", "code=UPSTREAM_ERROR", "cut=20")
    ]
    attempts = 0

    async def persistent(register):
        nonlocal attempts
        outcomes: dict[str, Outcome] = {}
        wanted = [*KNOWN, *UNKNOWN]
        while wanted:
            again: list[str] = []
            for start in range(0, len(wanted), MOST_IN_BATCH):
                numbers = tuple(wanted[start : start + MOST_IN_BATCH])
                attempts += len(numbers)
                try:
                    reply = await register.fetch(Call("lookup", Kind.KVK, numbers), sent)
                except Transient:
                    again.extend(numbers)
                    continue
                outcomes |= {answer.number: answer for answer in reply.answers}
                again.extend(answer.number for answer in reply.answers if isinstance(answer, Failed))
            wanted = again
        return outcomes

    outcomes, spent = together(persistent, faults)

    assert attempts > len(outcomes) == 404
    assert {number for number, outcome in outcomes.items() if isinstance(outcome, NotFound)} == set(UNKNOWN)
    assert spent == attempts


def test_vat_numbers_have_three_answers():
    """A stale or missing check is none of the first two."""
    valid, invalid = vat_numbers.numbers("NL", 60), vat_numbers.numbers("NL", 20, valid=False)

    async def each(register):
        said = {}
        for number in (*valid, *invalid):
            try:
                (answer,) = (await register.fetch(Call("validate-vat", Kind.VAT, (number,)), sent)).answers
                said[number] = type(answer).__name__
            except Exception as error:  # noqa: BLE001  whatever it is, it is compared below
                said[number] = getattr(error, "reason", repr(error))
        return said

    said, spent = together(each)

    assert {said[number] for number in valid} == {"Found", "vat_unconfirmed"}
    assert {said[number] for number in invalid} <= {"NotFound", "vat_unconfirmed"}
    assert list(said.values()).count("vat_unconfirmed") < 20
    assert spent == 80
