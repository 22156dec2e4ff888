"""Rules that the source keeps, of secrets, of text from outside and of what is loaded: read from the source itself."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "kvk_enrich"
TREES = {path.relative_to(SOURCE): ast.parse(path.read_text()) for path in sorted(SOURCE.rglob("*.py"))}

NAMES_IN_SQL = {
    # tables and columns of ours, a number of ours
    *("_table(product)", "name", "names", "product", "table", "VERSION"),
    # clauses that are made of them in the same module
    *(
        "ledger.COUNTED",
        "options",
        "rows",
        "same",
        "typed",
        "', '.join(traits)",
        "' UNION ALL '.join(map(_identity, PRODUCTS))",
    ),
}
"""What may stand in SQL as text."""


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Yield each call with what is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_nothing_turns_verification_off():
    """TLS is verified everywhere, redirects are not followed, and no other way to the network is opened."""
    text = "\n".join(path.read_text() for path in SOURCE.rglob("*.py"))
    assert not re.search(r"verify\s*=\s*False|CERT_NONE|CERT_OPTIONAL|check_hostname|_create_unverified", text)
    assert not re.search(r'"?follow_redirects"?\s*[=:]\s*True|trust_env"?\s*[=:]\s*True', text)
    clients = {(str(path), name) for path, tree in TREES.items() for name, _ in calls(tree) if "Client" in name}
    assert clients == {("registers/_http.py", "httpx2.AsyncClient"), ("notifying.py", "httpx2.AsyncClient")}


def test_children_get_no_keys():
    """Every process that is started is given an environment of its own."""
    started = [
        (str(path), {each.arg for each in call.keywords})
        for path, tree in TREES.items()
        for name, call in calls(tree)
        if name.startswith(("subprocess.", "os.exec", "os.spawn", "os.posix_spawn", "os.system", "os.popen", "os.fork"))
    ]
    assert {path for path, _ in started} >= {"readers/xlsx.py", "state/rewriting.py"}
    assert [path for path, given in started if "env" not in given] == []


def test_nothing_that_runs_text_or_loads_objects():
    """No eval, pickle, shell or code by name: what is read is data."""
    modules = {"pickle", "marshal", "shelve", "dill", "joblib", "yaml"}
    assert {name for tree in TREES.values() for name in _imported(tree)} & modules == set()
    called = {name for tree in TREES.values() for name, _ in calls(tree)}
    assert called & {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "input"} == set()


def test_all_that_is_imported_is_declared():
    """Nothing comes from what another package happens to bring."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = [text for texts in project["optional-dependencies"].values() for text in texts]
    names = {re.split(r"[\[<>=!~; ]", text)[0] for text in project["dependencies"] + optional}
    declared = {name.replace("-", "_") for name in names} | {"stdnum", "opentelemetry"}
    imported = {name for tree in TREES.values() for name in _imported(tree)}
    assert imported - declared - set(sys.stdlib_module_names) == {"kvk_enrich", "pydantic_core", "httpcore2"} & imported


def _imported(tree: ast.AST) -> set[str]:
    found = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("path", [path for path in TREES if path.parts[0] == "state"], ids=str)
def test_no_value_goes_into_sql_as_text(path):
    """Values are bound. What is put into a statement is one of our own names; a new one is looked at here."""
    put = set[str]()
    for name, call in calls(TREES[path]):
        if re.fullmatch(r".*\b(execute|executemany|executescript|sql|rows|_rows|_join)", name):
            texts = [part for argument in call.args for part in ast.walk(argument) if isinstance(part, ast.JoinedStr)]
            put |= {ast.unparse(p.value) for text in texts for p in text.values if isinstance(p, ast.FormattedValue)}
    assert put - NAMES_IN_SQL == set(), "values are bound; names of ours are entered in NAMES_IN_SQL"


def test_databases_are_opened_in_one_way():
    """DuckDB with options that let it fetch and load nothing."""
    opened = [call for tree in TREES.values() for name, call in calls(tree) if name == "duckdb.connect"]
    assert opened
    assert [ast.unparse(call) for call in opened if "config" not in {each.arg for each in call.keywords}] == []


def test_no_error_shows_what_variables_hold():
    """A traceback shows lines of code; a library that shows values with it is told not to."""
    from kvk_enrich.cli import app as whole
    from kvk_enrich.cli import budget, cache, config, practice, runs

    assert not any(app.pretty_exceptions_enable for app in (whole, runs, config, budget, cache, practice))
    text = "\n".join(path.read_text() for path in SOURCE.rglob("*.py"))
    assert not re.search(r"faulthandler|show_locals|rich\.traceback|capture_locals|cgitb", text)
