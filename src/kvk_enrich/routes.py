"""
Which calls lead from a number to what is wanted of it. Pure: frames in, frames out.

=============================  ==============================================================
from                           way
=============================  ==============================================================
KVK number                     the products wanted
RSIN                           Zoeken (free) -> KVK number -> products
branch number                  Zoeken (free) -> KVK number -> products; its own profile
Dutch VAT number               VIES; where its digits may be an RSIN and VIES says that it is
                               valid: Zoeken (free) -> KVK number -> products
other VAT number               VIES
KVK number, product ``vat``    RSIN from the Basisprofiel -> NL...B01, a guess for VIES
=============================  ==============================================================

The nine digits of a Dutch VAT number may also be a citizen service number. VIES knows such numbers
no more, so digits go to KVK only when VIES has called the number valid.

A run walks the ways in rounds: :func:`resolve` says how far the answers so far lead, :func:`questions`
what is to be asked next. What is answered is never asked again, so resuming is walking once more.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from kvk_enrich.columns import PRODUCTS, schema
from kvk_enrich.identifiers import vat
from kvk_enrich.model import Kind, Status

QUESTION: Final[dict[str, pl.DataType]] = {"product": pl.String(), "kind": pl.String(), "number": pl.String()}
ANSWER: Final[dict[str, pl.DataType]] = {
    "number": pl.String(),
    "status": pl.String(),
    "reason": pl.String(),
    "fetched_at": pl.Datetime("us", "UTC"),
    "run": pl.String(),
}
"""What every answer has, whatever its product; the product's own columns come with it."""

GAP: Final[dict[str, pl.DataType]] = {
    **QUESTION,
    "status": pl.String(),
    "reason": pl.String(),
    "detail": pl.String(),
    "attempts": pl.Int32(),
    "last_tried_at": pl.Datetime("us", "UTC"),
}
"""A question without an answer, and why."""

Known = Mapping[str, pl.DataFrame]
"""Per product the answers that count: :data:`ANSWER` and the product's columns, one line per number."""


@dataclass(frozen=True, slots=True)
class Step:
    """One product on the ways of a service: the column of :func:`resolve` it is asked by, and the kind of that."""

    product: str
    by: str
    kind: Kind | None = None  # None: the kind that stands in the column beside it


@dataclass(frozen=True, slots=True)
class Wish:
    """
    What is wanted of the numbers of a list, and from whom.

    Args:
        source: What ``enrich_source`` says of answers about companies.
        vat_source: The same of answers about VAT numbers.
        products: What is wanted per company; nothing: whether it exists.
        is_kvk: Companies are asked of KVK (or its likes), else of kvkbase.
    """

    source: str
    vat_source: str
    products: tuple[str, ...]
    is_kvk: bool = True

    @property
    def main(self) -> str:
        """The product that decides whether a company is found."""
        if not self.is_kvk:
            return "enriched" if "basisprofiel" in self.products else "lookup"
        return next((product for product in self.products if product in {"basisprofiel", "naamgeving"}), "zoeken")

    @property
    def judges(self) -> tuple[str, ...]:
        """The products that judge VAT numbers; each number has one."""
        return ("vies", "validate-vat") if not self.is_kvk and "vat" in self.products else ("vies",)

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every product that may be asked for, in the order in which a number's answers are asked."""
        judge = Step("vies", "vat", Kind.VAT)
        if not self.is_kvk:
            check = [Step("validate-vat", "checked", Kind.VAT)] if "validate-vat" in self.judges else []
            branches = [Step("kvkbase-branches", "kvk", Kind.KVK)] if "vestigingen" in self.products else []
            return (judge, *check, Step(self.main, "kvk", Kind.KVK), *branches)
        own = [Step(product, "kvk", Kind.KVK) for product in self.products if product in _BY_KVK_NUMBER]
        profile = [Step("vestigingsprofiel", "branch", Kind.BRANCH)] if "vestigingsprofiel" in self.products else []
        return (judge, Step("zoeken", "searched"), *own, *profile)

    @property
    def services(self) -> tuple[str, ...]:
        """The products asked for, by name."""
        return tuple(step.product for step in self.steps)

    @property
    def filled(self) -> tuple[str, ...]:
        """The products whose columns the rows get, those that describe the company first."""
        return tuple(sorted(self.services, key=_RANK.index))

    def filling(self, column: str) -> list[str]:
        """Return which of the products fill *column*, the best one first; what a search says comes last."""
        return [name for name in self.filled if column in _columns(name)]


_BY_KVK_NUMBER: Final = ("basisprofiel", "vestigingen", "naamgeving")
_RANK: Final = (
    *("basisprofiel", "enriched", "lookup", "vestigingen", "kvkbase-branches", "vestigingsprofiel", "naamgeving"),
    *("validate-vat", "vies", "zoeken"),
)
_FEWEST_MISSING: Final = 10
_TRIED: Final = 5
_STRIPPED: Final = "0000"

_RESOLVING: Final = frozenset({"zoeken", "vies", "validate-vat"})
"""Products that tell whose number it is; they are asked also for numbers about which no more is wanted."""


def _columns(product: str) -> dict[str, pl.DataType]:
    """Return the columns of *product* with their dtypes; enums are texts until they are written."""
    columns = schema(PRODUCTS[product])
    return {name: pl.String() if isinstance(dtype, pl.Enum) else dtype for name, dtype in columns.items()}


def resolve(numbers: pl.DataFrame, known: Known, wish: Wish) -> pl.DataFrame:
    """
    Say under which numbers each number of the list is asked for, as far as the answers so far lead.

    Args:
        numbers: ``kind, number, wanted``: distinct; *wanted* says whether the products are bought for it, or only
            found out whose number it is. Perhaps ``profile``: the same of a branch's profile.
        known: The answers so far.
        wish: What is wanted.

    Returns:
        *numbers* with ``vat`` (asked of VIES), ``is_guess`` (that one was made from the RSIN), ``checked`` (a VAT
        number asked of kvkbase), ``searched`` and ``searched_kind`` (asked of Zoeken), ``kvk``, ``branch``; null
        where there is none, or none yet.
    """
    kind, number = pl.col("kind"), pl.col("number")
    frame = numbers.with_columns(
        vat=pl.when(kind == Kind.VAT).then(number),
        kvk=pl.when(kind == Kind.KVK).then(number),
        branch=pl.when(kind == Kind.BRANCH).then(number),
    )
    nothing = pl.lit(None, pl.String)
    if not wish.is_kvk:
        # Digits that may be a citizen's go to VIES, whoever else could be asked.
        elsewhere = pl.lit("validate-vat" in wish.judges) & ~vat.may_hold_bsn_column(pl.col("vat"))
        return frame.with_columns(
            vat=pl.when(~elsewhere).then("vat"),
            checked=pl.when(elsewhere).then("vat"),
            is_guess=pl.lit(value=False),
            searched=nothing,
            searched_kind=nothing,
        )
    if "profile" not in frame.columns:
        frame = frame.with_columns(profile="wanted")
    frame = _with(frame, known, "vies", "vat", status="judged").with_columns(_searched(wish))
    frame = frame.with_columns(
        searched_kind=pl.when(pl.col("searched").is_not_null()).then(
            pl.when(kind == Kind.VAT).then(pl.lit(Kind.RSIN.value)).otherwise(kind)
        )
    )
    frame = _with(frame, known, "zoeken", "searched", kvk_number="found_kvk", kvk_branch_number="found_branch")
    # What is searched for anyway is bought only once it is found.
    frame = frame.with_columns(kvk=pl.coalesce("found_kvk", pl.when(pl.col("searched").is_null()).then("kvk")))
    frame = _with(frame, known, "basisprofiel", "kvk", kvk_rsin="rsin", kvk_branch_number="main_branch")
    guess = pl.when(pl.lit("vat" in wish.products) & pl.col("wanted")).then("NL" + pl.col("rsin") + "B01")
    return frame.with_columns(
        is_guess=pl.col("vat").is_null() & guess.is_not_null(),
        vat=pl.coalesce("vat", guess),
        checked=nothing,
        branch=pl.when("profile").then(pl.coalesce("branch", "main_branch", "found_branch")),
    ).drop("judged", "found_kvk", "found_branch", "rsin", "main_branch")


def _searched(wish: Wish) -> pl.Expr:
    """Return what is asked of Zoeken; a KVK number itself only where no other product tells what is wanted."""
    kind, number = pl.col("kind"), pl.col("number")
    is_enough = wish.main == "zoeken" or ("basisprofiel" not in wish.products and "vestigingsprofiel" in wish.products)
    is_valid = (kind == Kind.VAT) & (pl.col("judged") == Status.FOUND)
    return (
        pl.when(kind.is_in([Kind.RSIN.value, Kind.BRANCH.value]))
        .then(number)
        .when(is_valid)
        .then(vat.rsin_of_column(number))
        .when((kind == Kind.KVK) & pl.lit(is_enough))
        .then(number)
        .alias("searched")
    )


def _with(frame: pl.DataFrame, known: Known, product: str, by: str, **columns: str) -> pl.DataFrame:
    """Return *frame* with *columns* of the answers to *product*, under new names."""
    answers = known.get(product, pl.DataFrame(schema=ANSWER | _columns(product)))
    picked = answers.select(pl.col("number").alias(by), *(pl.col(name).alias(new) for name, new in columns.items()))
    return frame.join(picked, on=by, how="left", maintain_order="left")


def questions(resolved: pl.DataFrame, wish: Wish) -> pl.DataFrame:
    """Return all there is to ask as far as is known: ``product, kind, number``, distinct, in the order of the list."""
    places = resolved.with_row_index("place")
    asked = [
        places.filter(pl.col(step.by).is_not_null() & _is_wanted(step)).select(
            "place",
            pl.lit(rank, pl.Int32).alias("rank"),
            pl.lit(step.product, pl.String).alias("product"),
            (pl.lit(step.kind.value, pl.String) if step.kind else pl.col(f"{step.by}_kind")).alias("kind"),
            pl.col(step.by).alias("number"),
        )
        for rank, step in enumerate(wish.steps)
    ]
    return pl.concat(asked).sort("place", "rank").select(*QUESTION).unique(maintain_order=True, keep="first")


def _is_wanted(step: Step) -> pl.Expr:
    if step.product in _RESOLVING or step.by == "branch":  # a branch stands there only where its profile is wanted
        return pl.lit(value=True)
    return pl.col("wanted")


def later(resolved: pl.DataFrame, known: Known, wish: Wish) -> dict[str, int]:
    """
    Return how many further questions per product may come up once those of now are answered.

    The most there can be: what does not exist leads nowhere, and two numbers may turn out to be one company.
    """
    if not wish.is_kvk:
        return {}
    kind = pl.col("kind")
    unjudged = pl.col("vat").is_not_null() & ~pl.col("vat").is_in(_numbers(known, "vies").implode())
    may_lead = (kind == Kind.VAT) & vat.may_hold_bsn_column(pl.col("number")) & unjudged
    unsearched = pl.col("searched").is_not_null() & ~pl.col("searched").is_in(_numbers(known, "zoeken").implode())
    leads = (may_lead | unsearched) & pl.col("wanted")
    no_profile = (
        pl.col("kvk").is_not_null() & ~pl.col("kvk").is_in(_numbers(known, "basisprofiel").implode()) & pl.col("wanted")
    )
    counted = resolved.select(
        zoeken=may_lead.sum(),
        leads=leads.sum(),
        branchless=(pl.col("branch").is_null() & (leads | no_profile)).sum(),
        guesses=(pl.col("vat").is_null() & (leads | no_profile)).sum(),
    ).row(0, named=True)
    more = {product: counted["leads"] for product in wish.products if product in _BY_KVK_NUMBER}
    more["zoeken"] = counted["zoeken"]
    if "vestigingsprofiel" in wish.products:
        more["vestigingsprofiel"] = counted["branchless"]
    if "vat" in wish.products:
        more["vies"] = counted["guesses"]
    return {product: count for product, count in more.items() if count}


def _numbers(known: Known, product: str) -> pl.Series:
    return known[product]["number"] if product in known else pl.Series([], dtype=pl.String)


def stripped(resolved: pl.DataFrame, known: Known, wish: Wish) -> pl.DataFrame:
    """
    Return what to ask when most KVK numbers of a list are not found: a few of them as branch numbers.

    A spreadsheet makes eight digits of a branch number that begins with 0000, and they look like a KVK number.

    Returns:
        ``product, kind, number``: searches, which are free; empty where there is no suspicion.
    """
    if not wish.is_kvk or wish.main not in known:
        return pl.DataFrame(schema=QUESTION)
    given = resolved.filter(pl.col("kind") == Kind.KVK).select("number")
    fates = given.join(known[wish.main].select("number", "status"), on="number", maintain_order="left")
    missing = fates.filter(pl.col("status") == Status.NOT_FOUND)
    if missing.height < _FEWEST_MISSING or missing.height * 2 < fates.height:
        return pl.DataFrame(schema=QUESTION)
    return missing.head(_TRIED).select(
        product=pl.lit("zoeken"), kind=pl.lit(Kind.BRANCH.value), number=_STRIPPED + pl.col("number")
    )


def are_branches(asked: pl.DataFrame, known: Known) -> bool:
    """Say whether what :func:`stripped` asked for are branches, most of them."""
    if "zoeken" not in known:
        return False
    found = known["zoeken"].filter(pl.col("status") == Status.FOUND)["number"]
    return asked["number"].is_in(found.implode()).sum() * 2 > asked.height


# -- answers ------------------------------------------------------------------------------------


def answers(
    resolved: pl.DataFrame, known: Known, gaps: pl.DataFrame, wish: Wish, names: Iterable[str], run: str
) -> pl.DataFrame:
    """
    Put together what is known of each number.

    Args:
        resolved: What :func:`resolve` said at the end.
        known: All answers that count.
        gaps: :data:`GAP`: the questions that have none.
        wish: What was wanted.
        names: The product columns wanted.
        run: Which run's answers are not "known before".

    Returns:
        One line per number: ``kind, number, enrich_outcome, enrich_reason, enrich_flags, enrich_source,
        enrich_fetched_at, enrich_cached, detail, attempts, last_tried_at`` and *names*.
    """
    frame = resolved
    for step in wish.steps:
        frame = frame.join(
            _fates(step.product, known, gaps), left_on=step.by, right_on="number", how="left", maintain_order="left"
        )
    return frame.with_columns(_outcome(wish), _flags(wish)).select(
        "kind",
        "number",
        pl.col("outcome").struct.unnest(),
        *_provenance(wish, run),
        pl.col("kvk").alias("kvk_of"),
        *(_value(name, wish) for name in names),
    )


def _fates(product: str, known: Known, gaps: pl.DataFrame) -> pl.DataFrame:
    """Return answers and gaps of *product* as one frame, its columns in a struct called after it."""
    frames = [gaps.filter(pl.col("product") == product).drop("product", "kind")]
    if product in known:
        frames.append(known[product])
    fates = pl.concat(frames, how="diagonal") if len(frames) > 1 else frames[0]
    missing = [
        pl.lit(None, dtype).alias(name)
        for name, dtype in (ANSWER | _columns(product)).items()
        if name not in fates.columns
    ]
    fates = fates.with_columns(missing)
    return fates.select("number", pl.struct(pl.exclude("number")).alias(product))


def _of(product: str, field: str) -> pl.Expr:
    return pl.col(product).struct.field(field)


def _deciding(wish: Wish, kind: Kind) -> Sequence[str]:
    """Return the products without which a number of *kind* counts as not found."""
    if kind == Kind.VAT:
        return wish.judges
    ways = (wish.main,) if kind == Kind.KVK or not wish.is_kvk else ("zoeken", wish.main)
    return tuple(dict.fromkeys(ways))


def _outcome(wish: Wish) -> pl.Expr:
    """Return ``outcome``: a gap anywhere on the way counts before what is known; a guess about VAT does not count."""
    kind = pl.col("kind")
    first: list[pl.Expr] = []
    for status in (Status.FAILED, Status.DEFERRED):
        for product in wish.services:
            counts = _of(product, "status") == status.value
            is_judge = product in wish.judges
            first.append(
                pl.when(counts & (kind == Kind.VAT) if is_judge else counts).then(
                    pl.struct(
                        pl.lit(status.value).alias("enrich_outcome"),
                        *_of_gap(product),
                    )
                )
            )
    missing = [
        pl.when((kind == each.value) & _is_missing(product)).then(
            _plain(Status.NOT_FOUND.value, _of(product, "reason"))
        )
        for each in Kind
        for product in _deciding(wish, each)
    ]
    if not wish.is_kvk:
        unasked = kind.is_in([Kind.RSIN.value, Kind.BRANCH.value])
        first.append(pl.when(unasked).then(_plain(Status.FAILED.value, pl.lit("no_route"))))
    there = [
        pl.when((kind == each.value) & (_of(product, "status") == Status.FOUND.value))
        for each in Kind
        for product in _deciding(wish, each)
    ]
    found = [when.then(_plain(Status.FOUND.value, pl.lit(None, pl.String))) for when in there]
    unmet = _plain(Status.DEFERRED.value, pl.lit("stopped"))
    return pl.coalesce(*first, *missing, *found, unmet).alias("outcome")


def _is_missing(product: str) -> pl.Expr:
    """Say whether the answer is that there is no such number; a company without branches is there."""
    return (_of(product, "status") == Status.NOT_FOUND.value) & (_of(product, "reason").ne_missing("no_branches"))


def _of_gap(product: str) -> list[pl.Expr]:
    return [
        _of(product, "reason").alias("enrich_reason"),
        _of(product, "detail").alias("detail"),
        _of(product, "attempts").alias("attempts"),
        _of(product, "last_tried_at").alias("last_tried_at"),
    ]


def _plain(status: str, reason: pl.Expr) -> pl.Expr:
    return pl.struct(
        pl.lit(status).alias("enrich_outcome"),
        reason.alias("enrich_reason"),
        *(pl.lit(None, GAP[name]).alias(name) for name in ("detail", "attempts", "last_tried_at")),
    )


def _flags(wish: Wish) -> pl.Expr:
    """Return ``enrich_flags``: what people should know of an answer; null when there is nothing."""
    verdict = pl.coalesce(_of(judge, "status") for judge in wish.judges)
    is_valid = (pl.col("kind") == Kind.VAT) & (verdict == Status.FOUND.value)
    flags = {
        "kvk_not_derivable": is_valid & vat.is_sole_trader_since_2020_column(pl.col("number")),
        "vat_unconfirmed": pl.col("is_guess") & (verdict != Status.FOUND.value),
    }
    if wish.is_kvk:
        flags["rsin_not_registered"] = is_valid & (_of("zoeken", "status") == Status.NOT_FOUND.value)
    listed = pl.concat_list([pl.when(applies).then(pl.lit(code)) for code, applies in flags.items()]).list.drop_nulls()
    return pl.when(listed.list.len() > 0).then(listed).alias("enrich_flags")


def _provenance(wish: Wish, run: str) -> list[pl.Expr]:
    """Return who answered, when (the oldest part), and whether nothing had to be asked for it in this run."""
    answered = [(product, _of(product, "fetched_at").is_not_null()) for product in wish.services]
    company = pl.any_horizontal([applies for product, applies in answered if product != "vies"])
    judged = next(applies for product, applies in answered if product == "vies")
    names = [pl.when(company).then(pl.lit(wish.source))]
    names.append(pl.when(judged & ~(company & pl.lit(wish.source == wish.vat_source))).then(pl.lit(wish.vat_source)))
    source = pl.concat_str(names, separator="; ", ignore_nulls=True)
    anew = pl.any_horizontal([(_of(product, "run") == run).fill_null(value=False) for product in wish.services])
    any_answer = company | judged
    return [
        pl.col("enrich_flags"),
        pl.when(any_answer).then(source).alias("enrich_source"),
        pl.min_horizontal([_of(product, "fetched_at") for product in wish.services]).alias("enrich_fetched_at"),
        pl.when(any_answer).then(~anew).alias("enrich_cached"),
    ]


def _value(name: str, wish: Wish) -> pl.Expr:
    """Return the column *name* from the best product that fills it."""
    asked = pl.col("vat").is_not_null() | pl.col("checked").is_not_null()
    unconfirmed = pl.col("is_guess") & (_of("vies", "status") != Status.FOUND.value)
    filled = [
        pl.when(~unconfirmed).then(_of(product, name)) if product == "vies" else _of(product, name)
        for product in wish.filling(name)
    ]
    match name:
        case "kvk_number":
            filled.append(pl.when(_of(wish.main, "status") == Status.FOUND.value).then(pl.col("kvk")))
        case "vat_number":
            filled.insert(0, pl.when(pl.col("kind") == Kind.VAT).then(pl.col("number")))
        case "vat_status":
            filled.append(pl.when(asked).then(pl.lit("unknown", schema(PRODUCTS["vies"])["vat_status"])))
        case _:
            pass
    return pl.coalesce(*filled).alias(name)


def waiting(resolved: pl.DataFrame, open_questions: pl.DataFrame, wish: Wish) -> int:
    """Return how many numbers have one of *open_questions* (``product, number`` and any others) on their way."""
    if open_questions.is_empty():
        return 0
    waits = [met & _is_wanted(step) for step, met in _met(open_questions, wish)]
    return int(resolved.select(pl.any_horizontal(wait.fill_null(value=False) for wait in waits).sum()).item())


def resting(resolved: pl.DataFrame, on: pl.DataFrame, wish: Wish) -> pl.Series:
    """Say, number by number, whether what is told of it rests on one of the answers *on* (``product, number``)."""
    parts = [met.fill_null(value=False) for _, met in _met(on, wish)]
    return resolved.select(resting=pl.any_horizontal(parts))["resting"]


def _met(questions: pl.DataFrame, wish: Wish) -> Iterator[tuple[Step, pl.Expr]]:
    """Yield each step with whether a number's way passes one of *questions* there."""
    for step in wish.steps:
        numbers = questions.filter(pl.col("product") == step.product)["number"]
        yield step, pl.col(step.by).is_in(numbers.implode())


def worth(resolved: pl.DataFrame, known: Known, wish: Wish, prices: Mapping[str, int]) -> pl.Series:
    """Return, number by number, what its answers cost when they are asked (micro-euro)."""
    parts = [
        pl.when(pl.col(step.by).is_in(_numbers(known, step.product).implode())).then(prices[step.product]).otherwise(0)
        for step in wish.steps
        if step.product in prices
    ]
    return resolved.with_columns(worth=pl.sum_horizontal([pl.lit(0, pl.Int64), *parts]))["worth"]


def branches(known: Known, wish: Wish) -> pl.DataFrame | None:
    """Return the branches of the companies known, one line each, by KVK number; None where they were not wanted."""
    product = next((name for name in wish.services if "kvk_branch_list" in _columns(name)), None)
    if product is None:
        return None
    empty = pl.DataFrame(schema=ANSWER | _columns(product))
    listed = known.get(product, empty).select(pl.col("number").alias("kvk_number"), pl.col("kvk_branch_list"))
    return (
        listed.explode("kvk_branch_list", empty_as_null=False, keep_nulls=False)
        .unnest("kvk_branch_list")
        .sort("kvk_number", "branch_number")
    )


def paired(pairs: pl.DataFrame, own: pl.DataFrame) -> pl.DataFrame:
    """
    Put together what is known of rows with two numbers.

    The first number decides, but what could not be asked of the second counts too; columns come from whichever
    knows them, those of a company or a VAT number from one. That the two belong to different companies, or that
    the second is not found, is a flag.

    Args:
        pairs: ``enrich_kind, enrich_number, enrich_other_kind, enrich_other_number``, distinct.
        own: :func:`answers`, with ``enrich_kind, enrich_number``.
    """
    first, second = ["enrich_kind", "enrich_number"], ["enrich_other_kind", "enrich_other_number"]
    other = own.rename({name: f"{name}_2" for name in own.columns}).rename(
        {f"{name}_2": new for name, new in zip(first, second, strict=True)}
    )
    frame = pairs.join(own, on=first, how="left", maintain_order="left").join(
        other, on=second, how="left", maintain_order="left"
    )
    gap = pl.col("enrich_outcome_2").is_in([Status.FAILED.value, Status.DEFERRED.value]) & (
        pl.col("enrich_outcome") != Status.FAILED.value
    )
    told = ["enrich_outcome", "enrich_reason", "detail", "attempts", "last_tried_at"]
    rest = [name for name in own.columns if name not in (*first, *told, *_OF_BOTH)]
    return frame.select(
        *first,
        *second,
        *(pl.when(gap).then(pl.col(f"{name}_2")).otherwise(pl.col(name)).alias(name) for name in told),
        *_of_both(),
        *(_of_either(name) for name in rest),
    )


def _of_either(name: str) -> pl.Expr:
    """Return the column *name* of the number that knows it; never parts of two companies, or of two VAT numbers."""
    first, other = pl.col(name), pl.col(f"{name}_2")
    if name.startswith("vat_"):
        own = (pl.col("enrich_other_kind") == Kind.VAT) & (pl.col("enrich_kind") != Kind.VAT)
        return pl.when(own.fill_null(value=False)).then(other).otherwise(first).alias(name)
    if name.startswith("branch_"):
        own = (pl.col("enrich_other_kind") == Kind.BRANCH) & (pl.col("enrich_kind") != Kind.BRANCH)
        return pl.when(own.fill_null(value=False)).then(other).otherwise(first).alias(name)
    is_bought = (pl.col("enrich_other_kind") == Kind.KVK) & (pl.col("enrich_kind") != Kind.KVK)
    of_one = pl.when(is_bought).then(other).otherwise(first)
    return pl.when(_disagree()).then(of_one).otherwise(pl.coalesce(first, other)).alias(name)


def _disagree() -> pl.Expr:
    exists = pl.col("enrich_outcome_2") != Status.NOT_FOUND.value
    return (exists & (pl.col("kvk_of") != pl.col("kvk_of_2"))).fill_null(value=False)


_OF_BOTH: Final = ("enrich_flags", "enrich_source", "enrich_fetched_at", "enrich_cached", "worth")


def _of_both() -> list[pl.Expr]:
    both = {name: (pl.col(name), pl.col(f"{name}_2")) for name in _OF_BOTH}
    codes = {
        "numbers_disagree": _disagree(),
        "other_not_found": pl.col("enrich_outcome_2") == Status.NOT_FOUND.value,
    }
    own = [pl.when(applies).then(pl.lit(code)) for code, applies in codes.items()]
    listed = pl.concat_list(
        [flag.fill_null([]) for flag in both["enrich_flags"]] + [pl.concat_list(own).list.drop_nulls()]
    )
    first, second = both["enrich_source"]
    return [
        pl.when(listed.list.len() > 0).then(listed.list.unique(maintain_order=True)).alias("enrich_flags"),
        pl.concat_str(first, second, separator="; ", ignore_nulls=True)
        .str.split("; ")
        .list.unique(maintain_order=True)
        .list.join("; ")
        .replace("", None)
        .alias("enrich_source"),
        pl.min_horizontal(both["enrich_fetched_at"]).alias("enrich_fetched_at"),
        # A number that is not there, or has no answer, is left out, as with the times; all_horizontal() would not.
        pl.min_horizontal(both["enrich_cached"]).alias("enrich_cached"),
        pl.sum_horizontal(both["worth"]).alias("worth"),
    ]
