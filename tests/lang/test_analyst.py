"""The analyst's run in Dutch, on a terminal: a workbook in, one question, a workbook out that opens right."""

import os
import pty
import subprocess
import time
from pathlib import Path

import openpyxl
import pytest
import xlsxwriter
from tests.harness import COMMAND, environment

ENVIRONMENT = environment(LC_ALL="nl_NL.UTF-8", TERM="xterm", COLUMNS="120") | {
    "KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS": "0"
}


def on_a_terminal(*arguments: str | Path, answer: bytes) -> tuple[int, str]:
    """Run the command line on a terminal, answer its question, and return its exit code and what it showed."""
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)], stdin=theirs, stdout=theirs, stderr=theirs, env=ENVIRONMENT
        )
    finally:
        os.close(theirs)
    shown, is_answered = b"", False
    until = time.monotonic() + 120
    with os.fdopen(ours, "r+b", buffering=0) as terminal:
        while time.monotonic() < until:
            try:
                shown += terminal.read(4096) or b""
            except OSError:  # nobody is at the other end any more
                break
            if b"]: " in shown and not is_answered:
                terminal.write(answer)
                is_answered = True
    return process.wait(timeout=120), shown.decode()


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """Return a workbook with a number, a repaired one, a stand-in and one that nobody has."""
    path = tmp_path / "klanten.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("Klanten")
        rows = [("Klant", "Nummer"), ("Een", "69599084"), ("Twee", "KvK 69599068"), ("Drie", "n.v.t.")]
        for row, cells in enumerate([*rows, ("Vier", "90000000")]):
            sheet.write_row(row, 0, cells)
    return path


def test_a_dutch_analyst_is_asked_once_and_told_in_dutch(listed: Path):
    """The column is found, the cost is shown, j is yes; cells say in Dutch why they have their colour."""
    out = listed.with_name("verrijkt.xlsx")
    code, shown = on_a_terminal(
        *("run", listed, "-o", out, "--source", "practice", "--home", listed.with_name("home")), answer=b"j\n"
    )
    assert code == 0, shown
    assert shown.count("Het register nu bevragen? [j/N]: ") == 1
    for told in ("nummers in kolom 'Nummer'", "kosten", "1 rij zonder bruikbaar nummer", "2 gevonden", "klaar"):
        assert told in shown
    assert [word for word in ("rows", "found", "asked", "register now", "left") if f" {word} " in shown] == []
    sheet = openpyxl.load_workbook(out)["Enriched"]
    comments = {cell.coordinate: cell.comment.text for row in sheet.iter_rows() for cell in row if cell.comment}
    assert comments["C1"] == "wat er van de rij geworden is"
    assert comments["E3"] == "label verwijderd"
    assert comments["D4"].startswith("In de cel staat een opvulling")
    assert "C2:C5" in {str(each.sqref) for each in sheet.conditional_formatting}


def test_what_is_no_yes_is_no(listed: Path):
    """Nothing is asked, nothing is written."""
    out = listed.with_name("verrijkt.xlsx")
    code, shown = on_a_terminal(
        *("run", listed, "-o", out, "--source", "practice", "--home", listed.with_name("home")), answer=b"\n"
    )
    assert (code, out.exists()) == (130, False)
    assert "er is niets gevraagd en niets uitgegeven" in shown
