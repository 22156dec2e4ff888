"""Searching: one call on the account, what is asked of which register, and nothing of it left on disk."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from tests.harness import environment, existing
from tests.here import command

from kvk_enrich import searching, telling
from kvk_enrich.clock import SystemClock
from kvk_enrich.config import Settings
from kvk_enrich.config import load_settings as settings_of
from kvk_enrich.errors import ConfigError, ExitCode, RegisterError
from kvk_enrich.practice import population
from kvk_enrich.registers.kvk import Kvk
from kvk_enrich.registers.kvkbase import Kvkbase
from kvk_enrich.searching import Hit, Hits, Wanted, search
from kvk_enrich.state.home import open_home
from kvk_enrich.state.journal import MonthUse, RunLine, open_journal

(NAMED,) = filter(None, map(population.company, existing(1)))
AT_ONCE = "[source.practice]\nlatency_seconds = 0\n"
KVKBASE = '[source.kvkbase]\nbase_url = "http://127.0.0.1:9/v1"\nprice_eur = "0.01"\n'


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Settings]:
    """Make settings of a source and the text of a file, with a home of their own."""

    def made(text: str = AT_ONCE, *, source: str = "practice") -> Settings:
        file = tmp_path / "settings.toml"
        file.write_text(text)
        return settings_of({"home": str(tmp_path / "home"), "source": source}, config_file=file, environ={})

    return made


def told(home: Path) -> tuple[list[MonthUse], list[RunLine]]:
    """Return what the journal of *home* knows: its ledger and its runs."""
    with closing(open_journal(open_home(home), SystemClock())) as journal:
        return journal.ledger(), journal.runs()


# -- KVK ------------------------------------------------------------------------------------------


def test_a_name_leads_to_its_number(settings):
    """Words of the name are enough; each row of the register is a hit."""
    found = search(settings(), Wanted(text=NAMED.name))
    assert NAMED.number in {hit.kvk_number for hit in found.hits}
    assert found.total >= len(found.hits)


def test_a_search_is_one_free_call_of_the_account(settings, tmp_path):
    """It takes a permit and a unit of the month, and no money."""
    search(settings(), Wanted(text=NAMED.name))
    (use,), (run,) = told(tmp_path / "home")
    assert (use.register, use.account, use.units, use.micro_eur) == ("practice", "default", 1, 0)
    assert (run.state, run.input, run.calls, run.in_doubt) == ("complete", "search", 1, 0)


def test_nothing_of_a_search_is_kept(settings, tmp_path):
    """Neither the words nor what was found: a name may be a person's."""
    found = search(settings(), Wanted(text=NAMED.name))
    files = [file.read_bytes() for file in (tmp_path / "home").rglob("*") if file.is_file()]
    assert files
    for word in {NAMED.name, *NAMED.name.split(), *(hit.kvk_number for hit in found.hits)}:
        assert not any(word.encode() in content for content in files)


def test_nothing_found_is_an_answer(settings):
    """KVK says so with a code of its own."""
    assert search(settings(), Wanted(text="zzzqqq")) == Hits(0, ())


def test_a_search_that_fails_is_not_tried_again(settings, tmp_path):
    """The user is there and can."""
    with pytest.raises(
        RegisterError, match=r"^the register at http://practice\.localhost/api cannot be asked: "
    ) as told_:
        search(settings(AT_ONCE + 'faults = ["status=503"]\n'), Wanted(text=NAMED.name))
    assert told_.value.exit_code is ExitCode.UNAVAILABLE
    (use,), (run,) = told(tmp_path / "home")
    assert (use.units, run.state, run.in_doubt) == (1, "stopped", 0)


def test_no_search_passes_the_ceiling_of_the_month(settings, tmp_path):
    """Free calls count against it too."""
    with pytest.raises(RegisterError) as refused:
        search(settings(AT_ONCE + "[budget]\ncalls_per_month = 0\n"), Wanted(text=NAMED.name))
    assert refused.value.reason == "month_ceiling"
    assert told(tmp_path / "home")[0][0].units == 0


@pytest.mark.parametrize(
    ("wanted", "query"),
    [
        (Wanted(text=" Bakker "), {"naam": "Bakker"}),
        (Wanted(text="Bakker", city="Ons Dorp"), {"naam": "Bakker", "plaats": "Ons Dorp"}),
        (Wanted(postcode="1234 ab", house_number="12"), {"postcode": "1234AB", "huisnummer": "12"}),
        (
            Wanted(postcode="1234AB", house_number="12 a", inactive=True),
            {"postcode": "1234AB", "huisnummer": "12", "huisletter": "a"},
        ),
    ],
)
def test_kvk_is_asked_by_its_own_parameters(settings, monkeypatch, wanted, query):
    """Its rules for what goes together are kept."""
    asked = []

    async def noted(self, given, at_send, *, inactive):
        await at_send()
        asked.append((dict(given), inactive))
        return Hits(0, ())

    monkeypatch.setattr(Kvk, "search", noted)
    search(settings(), wanted)
    assert asked == [(query, wanted.inactive)]


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (Wanted(), "search: say what to look for: a name, --city, or --postcode with --house-number"),
        (Wanted(text="  "), "search: say what to look for: a name, --city, or --postcode with --house-number"),
        (Wanted(postcode="1234AB"), "--postcode: goes with --house-number; KVK searches for the two together"),
        (Wanted(house_number="1"), "--postcode: goes with --house-number; KVK searches for the two together"),
        (
            Wanted(postcode="1234", house_number="1"),
            "--postcode: must be four digits and two letters, such as 1234 AB",
        ),
        (
            Wanted(postcode="1234AB", house_number="1-3"),
            "--house-number: must be a number, perhaps with a letter, such as 12 or 12a",
        ),
        (
            Wanted(text="Ba", autocomplete=True),
            "--autocomplete: KVK finds whole words only; leave it out, or use --source kvkbase",
        ),
    ],
)
def test_what_kvk_cannot_search_is_refused_before_a_key_is_needed(settings, tmp_path, wanted, sentence):
    """No call is made for it, and no home."""
    with pytest.raises(ConfigError) as refused:
        search(settings("", source="kvk"), wanted)
    assert str(refused.value) == sentence
    assert not (tmp_path / "home").exists()


# -- kvkbase --------------------------------------------------------------------------------------


@pytest.fixture
def kvkbase(monkeypatch, settings):
    """Search a kvkbase in this process, and tell what it was asked."""
    monkeypatch.setenv("KVKBASE_API_KEY", "kvk_test_canary")
    asked: list[tuple[str, dict[str, list[str]]]] = []
    rows = [
        {"kvkNumber": "90000001", "name": "Acme B.V.", "city": "Ons Dorp", "isActive": True},
        {"kvkNumber": "90000002", "name": "Acme Oud B.V.", "city": "Ons Dorp", "isActive": False},
        {"kvkNumber": "90000003", "name": "Acme Drie", "city": None, "isActive": None},
    ]

    async def app(scope, _receive, send):
        asked.append((scope["path"], parse_qs(scope["query_string"].decode())))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": json.dumps({"results": rows}).encode()})

    def opened(service):
        return Kvkbase(service.base_url, service.api_key, timeout_seconds=5, app=app)

    monkeypatch.setattr(searching, "open_register", opened)

    def run(wanted: Wanted) -> Hits:
        return search(settings(KVKBASE, source="kvkbase"), wanted)

    return run, asked


def test_kvkbase_is_searched_by_text(kvkbase):
    """Companies that ended are left out; of some it does not say."""
    run, asked = kvkbase
    found = run(Wanted(text=" acme "))
    assert [(path, query["q"]) for path, query in asked] == [("/v1/search", ["acme"])]
    assert found == Hits(
        2,
        (
            Hit("90000001", None, "Acme B.V.", "Ons Dorp", None, active=True),
            Hit("90000003", None, "Acme Drie", None, None, active=None),
        ),
    )


def test_all_shows_what_ended(kvkbase):
    """As at KVK."""
    run, _ = kvkbase
    assert [hit.active for hit in run(Wanted(text="acme", inactive=True)).hits] == [True, False, None]


def test_the_beginning_of_a_name_is_enough_for_autocomplete(kvkbase):
    """A service of kvkbase alone."""
    run, asked = kvkbase
    run(Wanted(text="acm", autocomplete=True))
    assert [path for path, _ in asked] == ["/v1/autocomplete"]


def test_a_search_at_kvkbase_costs_a_token(kvkbase, tmp_path):
    """At the price that the user gave for one."""
    run, _ = kvkbase
    run(Wanted(text="acme"))
    (use,), _ = told(tmp_path / "home")
    assert (use.account, use.units, use.micro_eur) == ("default", 1, 10_000)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted(text="acme", city="Ons Dorp"), "--city: kvkbase is searched by text alone"),
        (Wanted(text="acme", postcode="1234AB"), "--postcode: kvkbase is searched by text alone"),
        (Wanted(text="acme", house_number="1"), "--house-number: kvkbase is searched by text alone"),
        (Wanted(text=" a "), "search: give kvkbase a text of at least 2 characters"),
        (Wanted(), "search: give kvkbase a text of at least 2 characters"),
    ],
)
def test_what_kvkbase_cannot_search_is_refused(kvkbase, wanted, words):
    """Before a token is spent."""
    run, asked = kvkbase
    with pytest.raises(ConfigError, match=words):
        run(wanted)
    assert asked == []


# -- what is shown --------------------------------------------------------------------------------


def test_hits_are_a_table_for_people():
    """One line each; a name that would steer the terminal does not."""
    found = Hits(
        250,
        (
            Hit("90000001", "000090000001", "Acme B.V.", "Ons Dorp", "hoofdvestiging", active=True),
            Hit("90000002", None, "\x1b[2JAcme\nOud\u202e", None, "rechtspersoon", active=False),
        ),
    )
    assert telling.hits(found) == [
        "KVK number  name         city      branch        type            active",
        "90000001    Acme B.V.    Ons Dorp  000090000001  hoofdvestiging  yes",
        "90000002    [2JAcme Oud                          rechtspersoon   no",
        "2 of 250 shown: say more of what you look for.",
    ]
    assert telling.hits(Hits(0, ())) == ["Nothing found."]


def test_the_command_prints_hits_and_nothing_else(tmp_path):
    """As a table or as JSON, on standard output."""
    env = environment(KVK_ENRICH_HOME=str(tmp_path), KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS="0")
    table = command("search", NAMED.name, "--source", "practice", env=env)
    data = command("search", NAMED.name, "--source", "practice", "--json", "--all", env=env)
    assert (table.returncode, data.returncode, table.stderr, data.stderr) == (0, 0, "", "")
    found = json.loads(data.stdout)
    assert NAMED.number in table.stdout
    assert NAMED.number in {hit["kvk_number"] for hit in found["hits"]}
    assert found["total"] >= len(found["hits"]) > 0
