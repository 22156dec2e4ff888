"""Nothing leaves this machine but calls to the registers: no test, no extension, no look for a newer version."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import duckdb
import openpyxl
import pytest
from tests.harness import COMMAND, environment, existing, record_of
from tests.network import Denied, refuse_strangers

from kvk_enrich.state.cache import options

ALONE = ("unshare", "--map-root-user", "--net")
"""Starts a program in a network of its own, which has nobody in it, not even itself."""


def is_alone_possible() -> bool:
    """Say whether this machine lets us."""
    return shutil.which("unshare") is not None and not subprocess.run([*ALONE, "true"], check=False).returncode


def test_a_test_that_would_leave_this_machine_is_stopped():
    """Also where it only looks up a name; loopback is free. The addresses are reserved for documentation."""
    with socket.socket() as outside, pytest.raises(Denied, match=r"'192\.0\.2\.1' is not this machine"):
        outside.connect(("192.0.2.1", 443))
    with socket.socket(socket.AF_INET6) as outside, pytest.raises(Denied):
        outside.connect(("2001:db8::1", 443))
    with pytest.raises(Denied):
        socket.getaddrinfo("api.kvk.nl", 443)
    with socket.create_server(("127.0.0.1", 0)) as here, socket.create_connection(here.getsockname()):
        pass
    refuse_strangers("socket.getaddrinfo", ("register.invalid", 443))


def test_so_is_a_process_that_is_watched(tmp_path: Path):
    """Children of tests too."""
    watched = {"PYTHONPATH": str(Path(__file__).parents[1] / "simulators" / "watched"), "WATCHED_IN": str(tmp_path)}
    leaving = "import socket; socket.create_connection(('192.0.2.1', 443), 1)"
    done = subprocess.run(
        [sys.executable, "-c", leaving], env=environment() | watched, capture_output=True, text=True, check=False
    )
    assert "is not this machine" in done.stderr


def test_the_database_fetches_nothing(tmp_path: Path):
    """DuckDB would download what it lacks, and run it."""
    with duckdb.connect(config=options(tmp_path)) as sql:
        for setting in ("autoinstall_known_extensions", "autoload_known_extensions"):
            assert sql.execute(f"SELECT current_setting('{setting}')").fetchall() == [(False,)]
        with pytest.raises(duckdb.Error, match="httpfs"):
            sql.execute("FROM read_text('https://127.0.0.1:1/list.csv')")


@pytest.mark.slow
@pytest.mark.skipif(not is_alone_possible(), reason="this machine gives no network of one's own (unshare)")
def test_a_run_needs_no_network(tmp_path: Path):
    """Workbook in, workbook out, and what is kept forgotten again: all parts of the program, with nobody to ask."""
    book = openpyxl.Workbook()
    for cell in ("kvk", *existing(3)):
        book.active.append([cell])
    book.save(tmp_path / "list.xlsx")
    settings = environment(
        KVK_ENRICH_HOME=str(tmp_path / "home"), KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS="0", HOME=str(tmp_path)
    )

    def alone(*arguments: str):
        return subprocess.run(
            [*ALONE, *COMMAND, *arguments], env=settings, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    interfaces = subprocess.run([*ALONE, "cat", "/proc/net/dev"], capture_output=True, text=True, check=True).stdout
    assert [line.split(":")[0].strip() for line in interfaces.splitlines()[2:]] == ["lo"]
    done = alone("run", "list.xlsx", "--source", "practice", "--products", "basisprofiel,vat", "-o", "out.xlsx")
    assert done.returncode == 0, done.stderr
    assert record_of(tmp_path / "out.xlsx")["rows"]["found"] == 3
    assert alone("cache", "forget", existing(1)[0], "--yes").returncode == 0
