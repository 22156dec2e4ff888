"""Settings: what wins, what is refused and in which words, and what never shows."""

import os
import pickle
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvk_enrich import config
from kvk_enrich.config import FLAGS, KEYS, PRACTICE_URL, VARIABLES
from kvk_enrich.errors import ConfigError, ExitCode, InputRefused
from kvk_enrich.model import Kind

TODAY = date(2026, 11, 21)
KEY = {"KVK_API_KEY": "canary-key"}
KVKBASE = {"KVKBASE_API_KEY": "canary-token"}
KVK_PRODUCTS = "basisprofiel, vestigingen, vestigingsprofiel, naamgeving, vat, none"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a list in it, to work in."""
    (tmp_path / "list.csv").write_text("kvk\n69599084\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def job(folder):
    """Load a job from flags, the text of a file and variables."""

    def load(toml="", environ=None, **flags):
        return config.load(
            {"input": "list.csv", **flags},
            config_file=_file(folder, toml),
            environ=dict(KEY) if environ is None else environ,
            today=TODAY,
        )

    return load


@pytest.fixture
def problems(job):
    """Load what is wrong and return the sentences, without where each comes from."""

    def load(toml="", environ=None, **flags):
        with pytest.raises(ConfigError) as refused:
            job(toml, environ, **flags)
        return [line.partition(" (from ")[0] for line in str(refused.value).splitlines()]

    return load


def _file(folder, toml):
    file = folder / "kvk.toml"
    file.write_text(toml, encoding="utf-8")
    return file


# -- what wins ----------------------------------------------------------------------------------


def test_defaults_are_those_of_the_contract(job, folder):
    """With a key and nothing else, KVK is asked at its own limits and prices."""
    made = job()
    assert (made.input, made.output) == (Path("list.csv"), Path("list.enriched.parquet"))
    assert (made.columns, made.country_column, made.kind, made.strict) == ((), None, None, False)
    assert (made.encoding, made.delimiter, made.products, made.geo_data) == ("utf-8", None, ("basisprofiel",), False)
    assert (made.max_calls, made.max_age_found, made.max_age_not_found) == (
        None,
        timedelta(days=30),
        timedelta(days=7),
    )
    register = made.source
    assert (register.name, register.base_url, register.account) == ("kvk", "https://api.kvk.nl/api", "default")
    assert (register.requests_per_second, register.allowance, register.period) == (100, 300_000, "month")
    assert (register.price_eur, register.monthly_fee_eur) == (Decimal("0.02"), Decimal("6.40"))
    assert register.api_key.reveal() == "canary-key"


def test_flag_wins_over_variable_over_file_over_default(job):
    """The nearest voice is heard."""
    toml, variable = "[run]\nsample = 2\n", {**KEY, "KVK_ENRICH_RUN_SAMPLE": "3"}
    assert [
        job().sample,
        job(toml).sample,
        job(toml, dict(variable)).sample,
        job(toml, dict(variable), sample=4).sample,
    ] == [None, 2, 3, 4]


def test_a_flag_that_is_off_still_wins(job):
    """False is an answer, None is none."""
    toml = "[run]\nyes = true\n"
    assert [job(toml, yes=flag).yes for flag in (None, False)] == [True, False]


@pytest.mark.parametrize("variable", ["KVK_ENRICH_RUN_SAMPLE", "KVK_ENRICH_HOME"])
def test_an_empty_variable_is_not_set(job, variable):
    """FOO= in a shell means nothing."""
    made = job(environ={**KEY, variable: ""})
    assert (made.sample, made.home.name) == (None, "kvk-enrich")


def test_every_flag_sets_a_key():
    """No flag leads nowhere."""
    assert set(FLAGS.values()) <= set(KEYS)


def test_every_key_has_its_own_variable():
    """Two keys never share a variable."""
    assert len(VARIABLES) == len(KEYS)
    assert VARIABLES["KVK_ENRICH_SOURCE_KVK_TEST_BASE_URL"] == "source.kvk-test.base_url"


def test_every_flag_reaches_the_job(job, folder):
    """What is asked for is what is done."""
    made = job(
        output="out.csv",
        column=["KVK-nummer", "btw-id"],
        country_column="Land",
        kind="kvk",
        strict=True,
        source="practice",
        products="vestigingen,basisprofiel",
        geo_data=True,
        max_calls=10,
        max_age="12h",
        refresh=True,
        only_missing="naam",
        sample=5,
        max_runtime="90m",
        yes=True,
        home=str(folder / "state"),
    )
    assert (made.output, made.kind, made.strict) == (Path("out.csv"), Kind.KVK, True)
    assert (made.columns, made.country_column) == (("KVK-nummer", "btw-id"), "Land")
    assert (made.source.name, made.geo_data) == ("practice", True)
    assert made.products == ("basisprofiel", "vestigingen")
    assert (made.max_calls, made.max_age_found, made.refresh) == (10, timedelta(hours=12), True)
    assert (made.only_missing, made.sample, made.max_runtime) == ("naam", 5, timedelta(minutes=90))
    assert (made.yes, made.home) == (True, folder / "state")
    assert job(offline=True).offline is True


def test_max_age_bounds_not_found_too(job):
    """An answer older than --max-age is not used again, whatever it says."""
    assert job(max_age="1d").max_age_not_found == timedelta(days=1)
    assert job(max_age="90d").max_age_not_found == timedelta(days=7)


def test_a_program_may_pass_real_values(job, folder):
    """A pipeline gives paths, durations and amounts as what they are."""
    made = job(output=folder / "out.csv", max_runtime=timedelta(minutes=5), max_eur=Decimal("0.10"))
    assert (made.output, made.max_runtime) == (folder / "out.csv", timedelta(minutes=5))
    assert made.max_micro_eur == 100_000


def test_values_of_variables_are_text(job):
    """A variable can say what a file says."""
    made = job(
        environ={
            **KEY,
            "KVK_ENRICH_RUN_OFFLINE": "true",
            "KVK_ENRICH_RUN_PRODUCTS": "basisprofiel, basisprofiel",
            "KVK_ENRICH_SOURCE_KVK_PRICE_EUR": "0.019",
            "KVK_ENRICH_INPUT_DELIMITER": "tab",
        }
    )
    assert (made.offline, made.products, made.delimiter) == (True, ("basisprofiel",), "\t")
    assert made.source.price_eur == Decimal("0.019")


# -- what is refused, and how that is said --------------------------------------------------------


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        (
            "[source.kvk]\nrequests_per_second = 500",
            "source.kvk.requests_per_second: must be at most 100, got 500",
        ),
        ("[source.kvk]\nrequests_per_second = 0", "source.kvk.requests_per_second: must be at least 1, got 0"),
        ("[source.kvk]\nrequests_per_second = 9.5", "source.kvk.requests_per_second: must be a whole number, got 9.5"),
        ("[source.kvk]\nrequests_per_second = true", "source.kvk.requests_per_second: must be a number, got true"),
        (
            '[source.kvk]\nprice_eur = "0,02"',
            "source.kvk.price_eur: must be an amount with a decimal point, such as 0.02, got '0,02'",
        ),
        ("[source.kvk]\nprice_eur = []", "source.kvk.price_eur: must not be empty, got []"),
        (
            "[source.kvk]\nprice_eur = [{ from = 2026-01-01 }]",
            "source.kvk.price_eur.0.price_eur: is missing",
        ),
        (
            '[source.kvk]\nprice_eur = [{ from = "soon", price_eur = 1 }]',
            "source.kvk.price_eur.0.from: must be a date, such as 2026-01-01, got 'soon'",
        ),
        (
            "[source.kvk]\nprice_eur = [{ price_eur = 1 }, { price_eur = 2 }]",
            "source.kvk.price_eur: must not give two prices from the same day",
        ),
        ("[source.kvk]\ntimeout_seconds = nan", "source.kvk.timeout_seconds: must be a number, got nan"),
        ("[source.kvk]\nprice = 1", "source.kvk.price: is no key; did you mean price_eur?"),
        (
            "[source.kvk]\nrequest_per_second = 1",
            "source.kvk.request_per_second: is no key; did you mean requests_per_second?",
        ),
        ('[source.kvk]\napi_key = "x"', "source.kvk.api_key: keys are never in the file; set KVK_API_KEY instead"),
        ('source = "kvk"', "source: must be a section of its own, not a value, got 'kvk'"),
        ("[sources.kvk]", "sources: is no key; did you mean source?"),
        (
            '[source.kvkbase]\napi_key = "x"',
            "source.kvkbase.api_key: keys are never in the file; set KVKBASE_API_KEY instead",
        ),
        ('[source.vies]\napi_key = "x"', "source.vies.api_key: VIES needs no key; take it out"),
        ("[source.kvkbase]\nworkers = 0", "source.kvkbase.workers: must be at least 1, got 0"),
        ("[source.vies]\nworkers = 9", "source.vies.workers: must be at most 8, got 9"),
        ("[source.vies]\nper_state = 3", "source.vies.per_state: must be at most 2, got 3"),
        ("[source.vies]\nrequests_per_second = 0", "source.vies.requests_per_second: must be at least 0.01, got 0"),
        ('[source.vies]\ndialect = "soap"', "source.vies.dialect: must be 'post' or 'get', got 'soap'"),
        (
            '[source.vies]\nrequester = "123456789B01"',
            "source.vies.requester: must be your own VAT number, such as NL123456789B01, got '123456789B01'",
        ),
        ("[output]\nreport = false", "output.report: comes in a later version; take it out"),
        ("[run]\nmax_eur = 3", "run.max_eur: is no key; did you mean budget.max_eur?"),
        ("[run]\nxyzzy = 3", "run.xyzzy: is no key"),
        ('[run]\nrefresh = "perhaps"', "run.refresh: must be true or false, got 'perhaps'"),
        ("[run]\nproducts = []", "run.products: must not be empty, got []"),
        ("[run]\nproducts = 3", "run.products: must be a list, got 3"),
        (
            '[run]\nproducts = ["vestiging"]',
            f"run.products.0: must be one of lookup, {KVK_PRODUCTS}, got 'vestiging'; did you mean vestigingen?",
        ),
        ('[run]\nproducts = ["lookup"]', f"run.products: kvk has no 'lookup'; it has {KVK_PRODUCTS}"),
        (
            '[run]\nsource = "kvkbase"\nproducts = ["naamgeving"]',
            "run.products: kvkbase has no 'naamgeving'; it has lookup, basisprofiel, vestigingen, vat",
        ),
        (
            '[run]\nsource = "kvkbase"\nproducts = ["none"]',
            "run.products: kvkbase has no 'none'; it has lookup, basisprofiel, vestigingen, vat",
        ),
        (
            '[run]\nproducts = ["vat"]',
            "run.products: vat needs basisprofiel, which tells the RSIN that a VAT number is made of; add it",
        ),
        (
            '[run]\nsource = "kvkbase"\nproducts = ["basisprofiel", "lookup"]',
            "run.products: basisprofiel tells all that lookup does, and both would be paid; leave lookup out",
        ),
        (
            '[run]\nproducts = ["none", "vat"]',
            "run.products: none stands alone: it buys nothing, got none, vat",
        ),
        (
            '[input]\nkind = "btw"',
            "input.kind: must be one of auto, kvk, vat, rsin, branch, got 'btw'",
        ),
        (
            "[input]\ncolumn = 3",
            "input.column: must be a column's name in quotes, or a list of up to 3, got 3",
        ),
        ('[input]\ncolumn = ""', "input.column: must not be empty, got ''"),
        ("[input]\ncolumn = []", "input.column: must not be empty, got []"),
        (
            '[input]\ncolumn = ["a", "b", "c", "d"]',
            "input.column: must name at most 3, got ['a', 'b', 'c', 'd']",
        ),
        ('[input]\ncolumn = ["a", 3]', "input.column.1: must be text in quotes, got 3"),
        ('[input]\nstrict = "perhaps"', "input.strict: must be true or false, got 'perhaps'"),
        (
            '[input]\nencoding = "ebcdic"',
            (
                "input.encoding: must be one of utf-8, windows-1252, iso-8859-1, iso-8859-15, cp850, utf-16, utf-16-le,"
                " utf-16-be, got 'ebcdic'"
            ),
        ),
        (
            '[input]\ndelimiter = "ab"',
            "input.delimiter: must be one character, such as ; , | or the word tab, got 'ab'",
        ),
        ('[output]\nformat = "ods"', "output.format: must be one of parquet, csv, xlsx, got 'ods'"),
        (
            '[output]\ncsv_dialect = "excel_nl"',
            "output.csv_dialect: must be one of standard, excel-nl, got 'excel_nl'; did you mean excel-nl?",
        ),
        ('[input]\nsheet = ""', "input.sheet: must not be empty, got ''"),
        ('[output]\nfile = ""', "output.file: must name a file or folder"),
        ("home = 3", "home: must name a file or folder, got 3"),
        (
            'home = "~nobody-has-this-name/x"',
            "home: has no home folder to begin at, got '~nobody-has-this-name/x'; write the whole path",
        ),
        (
            '[cache]\nmax_age_found = "30"',
            "cache.max_age_found: must be a whole number and a unit, such as 30d, 12h, 90m or 45s, got '30'",
        ),
        ('[budget]\nmax_eur = "1e9"', "budget.max_eur: must be at most 1000000, got '1e9'"),
        ('[budget]\nmax_eur = "-1"', "budget.max_eur: must be at least 0, got '-1'"),
        ('[budget]\nmax_eur = "0.0000001"', "budget.max_eur: must have at most 6 decimals, got '0.0000001'"),
        ('[budget]\nmax_eur = "nan"', "budget.max_eur: must be a number, got 'nan'"),
        ("[budget]\nmax_calls = 1_000_000_000_000", "budget.max_calls: must be at most 10000000, got 1000000000000"),
    ],
)
def test_a_problem_is_told_with_its_key_path(problems, toml, sentence):
    """Each sentence says where, what, and what was given."""
    assert problems(toml) == [sentence]


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ({"sample": 0}, "run.sample: must be at least 1, got 0"),
        ({"max_runtime": "0s"}, "run.max_runtime: must be more than 0, got '0s'"),
        (
            {"source": "vies"},
            "run.source: must be one of kvk, kvk-test, kvkbase, practice, got 'vies'",
        ),
        (
            {"source": "practise"},
            "run.source: must be one of kvk, kvk-test, kvkbase, practice, got 'practise'; did you mean practice?",
        ),
        ({"max_euro": 3}, "max_euro: is no flag; did you mean max_eur?"),
        ({"output": "out.xls"}, "output.file: must end in .parquet, .csv or .xlsx, got 'out.xls'"),
        ({"output": "../out.txt"}, "output.file: must end in .parquet, .csv or .xlsx, got '../out.txt'"),
        ({"output": "no/out.csv"}, "output.file: there is no folder no; make it, or name another"),
        (
            {"refresh": True, "offline": True},
            "run.refresh: asks again for everything, and run.offline allows no call; leave one out",
        ),
        ({"column": "x" * 2_000}, f"input.column: must be at most 1000 characters, got '{'x' * 56}..."),
        ({"input": None}, "input: name the list to read"),
    ],
)
def test_a_wrong_flag_is_told_by_its_key(problems, flags, sentence):
    """Flags are held to the same rules as the file."""
    assert problems(**flags) == [sentence]


def test_a_format_and_a_suffix_that_disagree_are_refused(problems):
    """Nobody guesses which of the two was meant."""
    assert problems('[output]\nformat = "csv"', output="out.parquet") == [
        "output.format: is csv, but output.file ends in .parquet; leave one out"
    ]


def test_an_output_that_is_a_folder_is_refused(problems, folder):
    """A folder is not written over."""
    (folder / "out.csv").mkdir()
    assert problems(output="out.csv") == ["output.file: out.csv is a folder; name a file in it"]


def test_all_problems_are_told_at_once(problems):
    """One reading of the message is enough."""
    toml = '[input]\nkind = "x"\n[budget]\nmax_eur = -1\n[source.kvk]\nworkers = 0\n'
    assert len(problems(toml, sample=0)) == 4


def test_a_misspelt_field_has_a_near_one(job):
    """As sources and products have."""
    with pytest.raises(ConfigError, match=r"no field 'nme'.*; did you mean name\? \(from --compare\)$"):
        job(environ=KEY, compare=["nme=naam"])


def test_problems_say_where_the_value_came_from(job, folder):
    """File, variable and flag are told apart."""
    with pytest.raises(ConfigError) as refused:
        job("[source.kvk]\nworkers = 0\n", {**KEY, "KVK_ENRICH_RUN_SAMPLE": "0"}, max_eur="x")
    origins = [line.rpartition(" (from ")[2].rstrip(")") for line in str(refused.value).splitlines()]
    assert origins == ["$KVK_ENRICH_RUN_SAMPLE", str(folder / "kvk.toml"), "--max-eur"]
    assert refused.value.exit_code is ExitCode.USAGE


def test_a_value_in_a_sections_place_is_told_beside_a_variable_below_it(problems):
    """A variable does not hide what is wrong with the file."""
    assert problems("source = 3", {"KVK_ENRICH_SOURCE_KVK_WORKERS": "5"}) == [
        "source: must be a section of its own, not a value, got 3"
    ]


def test_a_misspelt_variable_is_refused(problems):
    """A ceiling that is not heard would cost money."""
    assert problems(environ={"KVK_ENRICH_BUDGET_MAX_EURO": "1"}) == [
        "$KVK_ENRICH_BUDGET_MAX_EURO: sets nothing; did you mean KVK_ENRICH_BUDGET_MAX_EUR?"
    ]


def test_variables_that_orchestrators_invent_are_let_be(job):
    """A service named kvk-enrich puts such names into every container."""
    assert job(environ={**KEY, "KVK_ENRICH_SERVICE_HOST": "10.0.0.1", "KVK_ENRICH_PORT": "tcp://10.0.0.1"})


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"[run", "is not valid TOML"), (b"# caf\xe9", "is not UTF-8 at byte 5"), (None, "cannot be read: No such file")],
)
def test_a_file_that_cannot_be_read_is_named(folder, content, words):
    """The file's name and the place of the fault are in the sentence."""
    file = folder / "broken.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        config.load_settings({}, config_file=file, environ={})


@given(st.sampled_from(sorted(VARIABLES)), st.text(max_size=30))
def test_no_text_breaks_the_reading(variable, text):
    """Whatever stands in a variable is taken or refused in words, never a traceback."""
    try:
        config.load_settings({}, environ={variable: text})
    except ConfigError as refused:
        assert str(refused)  # noqa: PT017 - both ends are fine, silence is not


# -- base_url -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://api.kvk.nl/api",
        "http://127.0.0.1:8080/api",
        "http://127.8.9.1",
        "http://localhost:1/x",
        "http://[::1]:9/api",
    ],
)
def test_https_and_this_machine_are_accepted(job, url):
    """Plain http is fine where nobody can listen."""
    assert job(f'[source.kvk]\nbase_url = "{url}/"').source.base_url == url


@pytest.mark.parametrize("url", ["HTTPS://API.kvk.nl/api/", "https://api.kvk.nl:443/api", "https://api.kvk.nl./api"])
def test_a_server_has_one_spelling(job, url):
    """Another would be another account, with a month and a pace of its own."""
    assert job(f'[source.kvk]\nbase_url = "{url}"').source.base_url == "https://api.kvk.nl/api"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://api.kvk.nl/api", "must be https, or the key would travel in the open"),
        ("http://127.0.0.1.example.nl/", "must be https"),
        ("http://localhost.example.nl/", "must be https"),
        ("http://127.1/", "must be https"),
        ("http://[::2]/", "must be https"),
        ("ftp://api.kvk.nl", "must begin with https:// and a host"),
        ("api.kvk.nl", "must begin with https:// and a host"),
        ("https://", "must begin with https:// and a host"),
        ("https://api.kvk.nl:port/", "must be a URL"),
        ("https://[::1", "must be a URL"),
        ("https://api.kvk.nl/?a=b", "must hold neither"),
        ("https://api.kvk.nl/ api", "without blanks"),
        ("https://api.kvk.nl\\\\@example.nl", "without blanks or special characters"),
    ],
)
def test_other_urls_are_refused(problems, url, words):
    """The key goes to the register over TLS, or nowhere."""
    (sentence,) = problems(f'[source.kvk]\nbase_url = "{url}"')
    assert sentence.startswith(f"source.kvk.base_url: {words}") or words in sentence


def test_a_password_in_a_url_is_refused_and_not_repeated(problems):
    """The sentence does not show what should not have been there."""
    (sentence,) = problems('[source.kvk]\nbase_url = "https://me:canary@api.kvk.nl"')
    assert sentence == "source.kvk.base_url: must hold neither user name, password, query nor fragment"


# -- keys -----------------------------------------------------------------------------------------


def test_without_a_key_the_sentence_says_what_to_set(problems):
    """A newcomer learns of both ways on."""
    (sentence,) = problems(environ={})
    assert sentence == (
        "No KVK API key: set KVK_API_KEY, or KVK_API_KEY_FILE to a file that only you can read."
        " To try without a key and without cost, use --source practice, which needs none."
    )


@pytest.mark.parametrize("flags", [{"source": "practice"}, {"source": "kvk-test"}, {"offline": True}])
def test_no_key_is_needed_where_none_is_used(job, flags):
    """Practice, KVK's test environment and --offline work at once."""
    assert job(environ={}, **flags)


def test_planning_needs_no_key(folder):
    """A price is free."""
    made = config.load({"input": "list.csv"}, environ={}, need_key=False)
    assert made.source.api_key.reveal() == ""


def test_test_environment_is_asked_with_its_public_key(job):
    """--source kvk-test costs nothing and goes to the test address."""
    register = job(source="kvk-test", environ=dict(KEY)).source
    assert (register.base_url, register.price_eur) == ("https://api.kvk.nl/test/api", Decimal(0))
    assert register.api_key.reveal().startswith("l7xx")


def test_an_account_has_its_own_key(job):
    """The variable is the account's name in capitals, other signs as underscores."""
    environ = {**KEY, "KVK_API_KEY_CRM_EU": "crm-key"}
    toml = '[source.kvk]\naccount = "crm-eu"'
    assert job(toml, environ).source.api_key.reveal() == "crm-key"
    assert job(toml, dict(KEY)).source.api_key.reveal() == "canary-key"


def test_a_key_is_taken_out_of_the_environment(job):
    """A child process does not inherit it; the rest of the environment stays."""
    environ = {**KEY, "OTHER": "1"}
    job(environ=environ)
    assert environ == {"OTHER": "1"}


def test_the_process_environment_is_the_default(folder, monkeypatch):
    """Without an argument the process's own variables count, and lose the key."""
    monkeypatch.setenv("KVK_API_KEY", "canary-key")
    assert config.load({"input": "list.csv"}).source.api_key.reveal() == "canary-key"
    assert "KVK_API_KEY" not in os.environ


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_file_of_its_owner_is_read(job, folder, mode):
    """The line end that editors add is not part of the key."""
    file = folder / "key"
    file.write_text("file-key\n", encoding="ascii")
    file.chmod(mode)
    assert job(environ={"KVK_API_KEY_FILE": str(file)}).source.api_key.reveal() == "file-key"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_key_file_that_others_can_use_is_refused(problems, folder, mode):
    """The sentence is the command that mends it."""
    file = folder / "key"
    file.write_text("file-key", encoding="ascii")
    file.chmod(mode)
    assert problems(environ={"KVK_API_KEY_FILE": str(file)}) == [
        f"KVK_API_KEY_FILE: others can read {file}; make it yours alone: chmod 600 {file}"
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_file_of_somebody_else_is_refused(problems, folder):
    """They can read it."""
    file = folder / "key"
    file.write_text("file-key", encoding="ascii")
    file.chmod(0o600)
    os.chown(file, 65534, 65534)
    (sentence,) = problems(environ={"KVK_API_KEY_FILE": str(file)})
    assert sentence.startswith(f"KVK_API_KEY_FILE: {file} belongs to another user")


def test_a_credential_of_systemd_may_have_group_bits(job, problems, tmp_path):
    """They are the mask of an access list that names our user alone; elsewhere, and for all, they are others."""
    file = tmp_path / "kvk-api-key"
    file.write_text("file-key")
    file.chmod(0o440)
    given = {"KVK_API_KEY_FILE": str(file), "CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert job(environ=dict(given)).source.api_key.reveal() == "file-key"
    assert problems(environ=given | {"CREDENTIALS_DIRECTORY": str(tmp_path.parent)})
    file.chmod(0o444)
    assert problems(environ=dict(given))


def test_a_key_file_that_is_not_there_is_not_repeated(problems):
    """It may be the key itself, put into the wrong variable."""
    assert problems(environ={"KVK_API_KEY_FILE": "canary-key"}) == [
        "KVK_API_KEY_FILE: the file that it names cannot be read: No such file or directory"
    ]


@pytest.mark.parametrize(
    "value", [" ", "two words", "a\r\nHost: x", "sleutel\N{RIGHT SINGLE QUOTATION MARK}", "x" * 600]
)
def test_what_cannot_be_a_key_is_refused_and_not_repeated(problems, value):
    """Half a file in the variable is noticed before it is sent."""
    (sentence,) = problems(environ={"KVK_API_KEY": value})
    assert sentence == "KVK_API_KEY: holds no key; one line of letters, digits and signs without blanks is expected"


@pytest.mark.parametrize("account", ["file", "crm-file", "crm.FILE"])
def test_an_account_cannot_be_mistaken_for_a_key_file(problems, account):
    """KVK_API_KEY_FILE means one thing."""
    (sentence,) = problems(f'[source.kvk]\naccount = "{account}"')
    assert sentence.startswith("source.kvk.account: must not end in 'file'")


@pytest.mark.parametrize("account", ["", " crm", "a/b", "x" * 41, "né"])
def test_an_account_is_a_plain_name(problems, account):
    """It stands in reports, file names and variables."""
    (sentence,) = problems(f'[source.kvk]\naccount = "{account}"')
    assert sentence.startswith("source.kvk.account: must be 1 to 40 letters")


def test_no_key_shows(job, folder):
    """Neither the job nor the list of settings holds the key in readable form."""
    settings = config.load_settings({}, environ={})
    shown = config.show(settings, dict(KEY))
    assert "canary-key" not in repr(job()) + repr(shown) + config.config_sha256(job())
    with pytest.raises(TypeError):
        pickle.dumps(job())


# -- money and outputs ----------------------------------------------------------------------------


@pytest.mark.parametrize(("max_eur", "micro"), [(None, None), ("0", 0), ("0.000001", 1), (0.3, 300_000)])
def test_a_ceiling_in_euro_is_exact(job, max_eur, micro):
    """It bounds money and no calls, and a ceiling of calls no money: the journal heeds both."""
    made = job(max_eur=max_eur)
    assert (made.max_micro_eur, made.max_calls) == (micro, None)
    assert (job(max_calls=7).max_micro_eur, job(max_calls=7).max_calls) == (None, 7)


@pytest.mark.parametrize("text", ["1_0", "٣"])
def test_a_ceiling_is_written_plainly(problems, text):
    """What only Python takes for a number is refused: somebody meant something else."""
    assert problems(max_eur=text) == [f"budget.max_eur: must be a number, got {text!r}"]


def test_the_price_is_that_of_the_day(job):
    """A list of prices is read by date, in whatever order it stands."""
    toml = (
        '[source.kvk]\nprice_eur = [{ from = 2026-11-22, price_eur = 9 }, { from = 2026-01-01, price_eur = "0.019" }]'
    )
    assert job(toml).source.price_eur == Decimal("0.019")


def test_a_day_without_a_price_is_refused(problems):
    """Nothing is bought at an unknown price."""
    assert problems("[source.kvk]\nprice_eur = [{ from = 2027-01-01, price_eur = 1 }]") == [
        "source.kvk.price_eur: no price for 2026-11-21; the first is from 2027-01-01"
    ]


def test_the_lower_month_counts(job):
    """budget.calls_per_month bounds the source's month, and never widens it."""
    months = [job(f"[budget]\ncalls_per_month = {limit}").source.allowance for limit in (50, 10_000_000)]
    assert months == [50, 300_000]


def test_practice_is_in_process_unless_it_has_an_address(job):
    """A served practice register is asked over its port."""
    inside = job(source="practice").source
    served = job('[source.practice]\nbase_url = "http://127.0.0.1:8080/api"', source="practice").source
    assert (inside.in_process, inside.base_url) == (True, PRACTICE_URL)
    assert (served.in_process, served.base_url) == (False, "http://127.0.0.1:8080/api")


def test_practice_carries_its_latency_and_faults(job):
    """What goes wrong is scripted in the file."""
    toml = '[source.practice]\nlatency_seconds = 0\nfaults = ["status=503 nth=3"]\nrequests_per_second = 1000'
    register = job(toml, source="practice").source
    assert (register.latency_seconds, register.faults, register.requests_per_second) == (0, ("status=503 nth=3",), 1000)


def test_kvkbase_is_paid_in_tokens_of_a_month(job):
    """The tier's limits a minute and a month, and a price for those who know theirs."""
    toml = '[source.kvkbase]\nrequests_per_minute = 10\ntokens_per_month = 50\nprice_eur = "0.01"'
    register = job(toml, environ=dict(KVKBASE), source="kvkbase").source
    assert (register.name, register.base_url) == ("kvkbase", "https://api.kvkbase.nl/v1")
    assert register.requests_per_second == pytest.approx(1 / 6)
    assert (register.allowance, register.period, register.price_eur) == (50, "month", Decimal("0.01"))
    assert (register.api_key.reveal(), register.workers) == ("canary-token", 4)


def test_kvkbase_is_asked_for_a_lookup_unless_told_otherwise(job):
    """The cheapest that tells what a company is."""
    made = [job(environ=dict(KVKBASE), source="kvkbase", products=named) for named in (None, "vat, basisprofiel")]
    assert [each.products for each in made] == [("lookup",), ("basisprofiel", "vat")]


def test_the_lower_month_counts_for_tokens_too(job):
    """budget.calls_per_month bounds what a month may take, whatever it is counted in."""
    assert job("[budget]\ncalls_per_month = 7", environ=dict(KVKBASE), source="kvkbase").source.allowance == 7


def test_kvkbase_has_keys_of_its_own(job, problems):
    """Found as KVK's are; KVK's key never goes to it."""
    environ = {**KEY, "KVKBASE_API_KEY_CRM": "crm-token", "KVKBASE_API_KEY": "token"}
    toml = '[source.kvkbase]\naccount = "crm"'
    assert job(toml, environ, source="kvkbase").source.api_key.reveal() == "crm-token"
    assert environ == {**KEY, "KVKBASE_API_KEY": "token"}
    (sentence,) = problems(environ=dict(KEY), source="kvkbase")
    assert sentence.startswith("No kvkbase API key: set KVKBASE_API_KEY, or KVKBASE_API_KEY_FILE to a file")


# -- VIES -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["kvk", "kvk-test", "kvkbase"])
def test_vies_is_asked_gently(job, name):
    """Whoever answers about companies: no key, no cost, a day's allowance below what gets one blocked."""
    register = job(environ={**KEY, **KVKBASE}, source=name).vies
    assert (register.name, register.in_process) == ("vies", False)
    assert register.base_url == "https://ec.europa.eu/taxation_customs/vies/rest-api"
    assert (register.allowance, register.period, register.price_eur) == (30_000, "day", 0)
    assert (register.requests_per_second, register.workers, register.per_state) == (4, 4, 1)
    assert (register.dialect, register.requester, register.api_key.reveal()) == ("post", None, "")


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("NL123456789B01", "NL123456789B01"),
        ("nl 1234.56.789.b01", "NL123456789B01"),
        ("GR123456789", "EL123456789"),
        ("IE1234567+A", "IE1234567+A"),
    ],
)
def test_a_requester_is_written_as_vies_wants_it(job, written, asked):
    """However it is typed."""
    assert job(f'[source.vies]\nrequester = "{written}"').vies.requester == asked


@pytest.mark.parametrize(
    "number", ["", "NL", "US123456789", "NL1", "NL1234567890123", "GB123456789", "NL12345678\u00df"]
)
def test_what_cannot_be_a_requester_is_refused(problems, number):
    """VIES would refuse every call with it."""
    (sentence,) = problems(f'[source.vies]\nrequester = "{number}"')
    assert sentence.startswith("source.vies.requester: must be your own VAT number")


def test_vies_of_the_practice_register_is_beside_it(job):
    """In this process, or on the port it is served at; never taken for the real one."""
    faults = 'latency_seconds = 0\nvies_faults = ["status=503 nth=3"]'
    inside = job(f"[source.practice]\n{faults}", source="practice").vies
    served = job('[source.practice]\nbase_url = "http://127.0.0.1:8080/api"', source="practice").vies
    assert (inside.name, inside.in_process, inside.base_url) == (
        "practice-vies",
        True,
        "http://practice.localhost/vies",
    )
    assert (inside.latency_seconds, inside.faults) == (0, ("status=503 nth=3",))
    assert (served.name, served.in_process, served.base_url) == ("practice-vies", False, "http://127.0.0.1:8080/vies")


def test_vies_at_an_address_of_its_own_is_asked_there(job):
    """What is written out is meant, also with the practice register."""
    made = job('[source.vies]\nbase_url = "http://127.0.0.1:9000/rest-api"', source="practice").vies
    assert (made.name, made.in_process, made.base_url) == ("vies", False, "http://127.0.0.1:9000/rest-api")


# -- files ----------------------------------------------------------------------------------------


def test_a_ca_bundle_must_be_there(problems, job, folder):
    """A missing file is told before any call."""
    toml = '[source.kvk]\nca_bundle = "ca.pem"'
    assert problems(toml) == ["source.kvk.ca_bundle: there is no file ca.pem"]
    assert problems(toml.replace("kvk", "vies")) == ["source.vies.ca_bundle: there is no file ca.pem"]
    (folder / "ca.pem").touch()
    assert job(toml).source.ca_bundle == Path("ca.pem")


def test_a_ca_bundle_of_the_run_is_for_all_services_without_their_own(problems, job, folder):
    """A proxy that inspects TLS inspects everything, unless one service is reached by another way."""
    for name in ("ca.pem", "own.pem"):
        (folder / name).touch()
    made = job('[source.vies]\nca_bundle = "own.pem"', ca_bundle=Path("ca.pem"))
    assert (made.source.ca_bundle, made.vies.ca_bundle) == (Path("ca.pem"), Path("own.pem"))
    assert problems(ca_bundle="absent.pem") == ["run.ca_bundle: there is no file absent.pem"]


def test_the_default_output_follows_the_format(job):
    """Beside the list, named after it."""
    assert job('[output]\nformat = "csv"').output == Path("list.enriched.csv")


@pytest.mark.parametrize("name", [".", "", "/"])
def test_a_folder_is_no_list(folder, name):
    """It has no name that outputs could have."""
    with pytest.raises(InputRefused, match="is a folder: name a file in it"):
        config.load({"input": name, "source": "practice"}, environ={})


@pytest.mark.parametrize("way", ["same", "dots", "symlink", "hardlink"])
def test_the_list_is_never_an_output(job, folder, way):
    """However the list is spelt, it is not written over."""
    match way:
        case "same":
            output = "list.csv"
        case "dots":
            (folder / "sub").mkdir()
            output = "sub/../list.csv"
        case "symlink":
            (folder / "out.csv").symlink_to("list.csv")
            output = "out.csv"
        case _:
            (folder / "out.csv").hardlink_to("list.csv")
            output = "out.csv"
    with pytest.raises(InputRefused, match="would overwrite the list"):
        job(output=output)


@pytest.mark.parametrize("name", ["out.failed.csv", "out.run.json", "out.report.html"])
def test_the_list_is_not_a_report_either(folder, name):
    """Running on the failed items of a run does not write over them."""
    (folder / name).write_text("kvk\n69599084\n", encoding="utf-8")
    with pytest.raises(InputRefused, match=name):
        config.load({"input": name, "output": "out.parquet", "source": "practice"}, environ={})


# -- home, show, hash -----------------------------------------------------------------------------


def test_home_needs_no_list(folder):
    """Commands such as budget and runs ask for the home alone."""
    assert config.load_settings({}, environ={"KVK_ENRICH_HOME": "state"}).home == folder / "state"


def test_show_says_what_and_where_from(folder):
    """Every key has a line, in order, with its origin."""
    toml = '[cache]\nmax_age_found = "90m"\n[source.kvk]\nprice_eur = [{ from = 2026-01-01, price_eur = "0.02" }]\n'
    settings = config.load_settings(
        {"sample": 3}, config_file=_file(folder, toml), environ={"KVK_ENRICH_RUN_YES": "true", "KVK_ENRICH_HOME": "/h"}
    )
    lines = {line.key: line[1:] for line in config.show(settings, {"KVK_API_KEY_FILE": "/k"})}
    assert list(lines) == [*KEYS, "source.kvk.api_key", "source.kvk-test.api_key", "source.kvkbase.api_key"]
    assert lines["home"] == ("/h", "$KVK_ENRICH_HOME")
    assert lines["run.sample"] == ("3", "--sample")
    assert lines["run.yes"] == ("true", "$KVK_ENRICH_RUN_YES")
    assert lines["cache.max_age_found"] == ("90m", str(folder / "kvk.toml"))
    assert lines["cache.max_age_not_found"] == ("7d", "default")
    assert lines["source.kvk.price_eur"] == ("0.02 from 2026-01-01", str(folder / "kvk.toml"))
    assert lines["source.practice.faults"] == ("-", "default")
    assert lines["source.kvk.api_key"] == ("***", "$KVK_API_KEY_FILE")


def test_show_says_when_there_is_no_key():
    """A missing key is visible before the run."""
    lines = config.show(config.load_settings({}, environ={}), {})
    assert [line for line in lines if line.value == "not set"] == [
        (f"source.{service}.api_key", "not set", "-") for service in ("kvk", "kvkbase")
    ]


def test_show_writes_odd_durations_in_seconds(folder):
    """Nothing is rounded for show."""
    settings = config.load_settings({"max_runtime": "61s"}, environ={})
    assert {line.key: line.value for line in config.show(settings, {})}["run.max_runtime"] == "61s"


def test_hash_leaves_out_secrets_places_and_speed(job):
    """Another key, home or number of workers gives the same rows."""
    same = [
        job(),
        job(environ={"KVK_API_KEY": "another"}),
        job(home="elsewhere"),
        job("[source.kvk]\nworkers = 1"),
        job("[source.vies]\nworkers = 1\nper_state = 2\nrequests_per_second = 1"),
        job(products="basisprofiel,basisprofiel"),
        job(output="other.parquet"),
        job(yes=True),
    ]
    assert len({config.config_sha256(made) for made in same}) == 1


def test_hash_tells_jobs_apart_that_give_other_rows(job):
    """Each of these changes an outcome."""
    made = [
        job(),
        job(sample=1),
        job(column="x"),
        job(column=["x", "y"]),
        job(column=["y", "x"]),
        job(country_column="x"),
        job(kind="kvk"),
        job(kind="vat"),
        job(strict=True),
        job(geo_data=True),
        job(products="none"),
        job(products="basisprofiel,vat"),
        job('[source.vies]\nrequester = "NL123456789B01"'),
        job('[source.vies]\ndialect = "get"'),
        job("[source.vies]\ncalls_per_day = 1"),
        job('[source.vies]\nbase_url = "https://vies.example.nl"'),
        job(max_eur="1"),
        job(max_calls=1),
        job(max_age="1d"),
        job(refresh=True),
        job(offline=True),
        job(only_missing="x"),
        job(max_runtime="1h"),
        job(output="out.csv"),
        job(source="kvk-test"),
        job('[input]\nencoding = "cp1252"'),
        job('[input]\ndelimiter = ";"'),
        job('[source.kvk]\naccount = "crm"'),
        job("[budget]\ncalls_per_month = 1"),
    ]
    assert len({config.config_sha256(one) for one in made}) == len(made)


def test_hash_knows_a_price_by_its_worth(job):
    """Two spellings of one amount are one amount."""
    prices = [job(f'[source.kvk]\nprice_eur = "{price}"') for price in ("0.02", "0.0200")]
    assert len({config.config_sha256(made) for made in prices}) == 1


def test_a_file_says_what_a_flag_says(job):
    """Each flag's key means the same in the file."""
    toml = '[run]\nsource = "practice"\nsample = 5\n[budget]\nmax_eur = "1.5"\n[cache]\nmax_age_found = "1d"\n'
    from_file, from_flags = job(toml), job(source="practice", sample=5, max_eur="1.5", max_age="1d")
    assert config.config_sha256(from_file) == config.config_sha256(from_flags)
