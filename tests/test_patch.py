"""Single cells of a list are changed, and changed back, with every other byte as it was."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvk_enrich import patch
from kvk_enrich.errors import InputRefused
from kvk_enrich.patch import Change

SIGNS = st.sampled_from([*"abé=+-@'\"\t\r\n ;,\ufeff\x0c\u2028＝😀"])  # noqa: RUF001  the full-width sign is meant
TEXTS = st.text(SIGNS, max_size=6)
COLUMNS = ("nr", "naam", "plaats")


@st.composite
def written_lists(draw: st.DrawFn) -> tuple[str, str, list[list[str]], int]:
    """Return the text of a list as somebody may have written it, its separator, its cells, and lines to skip."""
    separator = draw(st.sampled_from([",", ";", "\t"]))
    rows = draw(st.lists(st.lists(TEXTS, min_size=3, max_size=3), min_size=1, max_size=5))
    ends = st.sampled_from(["\n", "\r\n"])

    def cell(text: str) -> str:
        needed = text.startswith('"') or any(sign in text for sign in (separator, "\n", "\r"))
        return '"' + text.replace('"', '""') + '"' if needed or draw(st.booleans()) else text

    blank = draw(st.sampled_from(["", "\n", "\r\n\n"]))
    skip = draw(st.integers(0, 1))
    head = ("sep=x\n" if skip else "") + blank + separator.join(cell(name) for name in COLUMNS) + draw(ends)
    lines = [separator.join(map(cell, row)) + draw(ends) for row in rows]
    if draw(st.booleans()):
        lines[-1] = lines[-1].rstrip("\r\n")
    return draw(st.sampled_from(["", "\ufeff"])) + head + "".join(lines), separator, rows, skip


@settings(max_examples=150)
@given(written=written_lists(), data=st.data())
def test_a_patch_and_its_undo_give_back_the_text(written: tuple[str, str, list[list[str]], int], data: st.DataObject):
    """Whatever stands in the cells and however it is quoted: the new values stand there, then the old text again."""
    text, separator, rows, skip = written
    cells = data.draw(st.lists(st.tuples(st.integers(1, len(rows)), st.sampled_from(COLUMNS)), min_size=1, unique=True))
    forth = [Change(row, name, rows[row - 1][COLUMNS.index(name)], data.draw(TEXTS)) for row, name in cells]
    quoted = patch.written(text, separator, COLUMNS, set(cells), skip=skip)
    back = [Change(row, name, new, old, quoted[row, name]) for row, name, old, new, _ in forth]
    patched = patch.applied(text, separator, COLUMNS, forth, skip=skip)
    undone = patch.applied(patched.text, separator, COLUMNS, back, skip=skip)
    assert (patched.left, undone.left, undone.text) == ((), (), text)
    again = [Change(row, name, new, new) for row, name, _, new, _ in forth]
    assert patch.applied(patched.text, separator, COLUMNS, again, skip=skip).done == len(cells)


@given(texts=st.lists(TEXTS, min_size=1))
def test_a_guard_makes_a_text_inert_and_comes_off_exactly(texts: list[str]):
    """No spreadsheet runs what the patch says, and reading the patch gives the very texts."""
    frame = pl.DataFrame({"row": range(1, len(texts) + 1), "column": texts, "old": texts, "new": texts})
    guarded = frame.with_columns(patch.guarded(pl.col(pl.String)))
    assert not guarded["old"].str.contains(r"(?:^|[;\r\n])\s*[=+\-@＝]").any()  # noqa: RUF001  full-width is meant
    assert [(change.column, change.old, change.new) for change in patch.read(guarded.write_csv())] == [
        (text, text, text) for text in texts
    ]


def test_a_change_is_made_only_where_its_old_value_stands():
    """Another value by now, a row or column that is not there: left, and told."""
    changes = [Change(1, "a", "x", "n"), Change(1, "b", "2", "n"), Change(3, "a", "", "n"), Change(1, "c", "", "n")]
    made = patch.applied("a,b\n1,2\n", ",", ("a", "b"), changes)
    assert (made.text, made.done) == ("a,b\n1,n\n", 1)
    assert {(change.row, change.column) for change in made.left} == {(1, "a"), (3, "a"), (1, "c")}


def test_a_value_with_quotation_marks_is_written_so_that_the_list_can_be_read():
    """Inside others, unless an undo puts it back as it was."""
    there = patch.applied("a,b\n1,2\n", ",", ("a", "b"), [Change(1, "b", "2", 'Kade 12"')])
    assert there.text == 'a,b\n1,"Kade 12"""\n'
    back = patch.applied(there.text, ",", ("a", "b"), [Change(1, "b", 'Kade 12"', 'Weg "3"', quoted=False)])
    assert back.text == 'a,b\n1,Weg "3"\n'


def test_how_cells_are_written_is_told_of_those_that_are_there():
    """In quotation marks or not; a short row has no more."""
    cells = {(row, column) for row in (1, 2, 3) for column in "ab"}
    told = patch.written('a,b\n1,"2"\n"3"\n', ",", ("a", "b"), cells)
    assert told == {(1, "a"): False, (1, "b"): True, (2, "a"): True}


def test_rows_are_counted_as_the_run_counts_them(tmp_path: Path):
    """Blank lines above the header are none, those below it are; a carriage return alone ends nothing."""
    text = '\n\r\na,b\n"1",x\ry\n\n"3\n\n3",z\n'
    (tmp_path / "list.csv").write_bytes(text.encode())
    seen = pl.read_csv(tmp_path / "list.csv", infer_schema=False)["b"].to_list()
    changes = [Change(row, "b", value, "new") for row, value in enumerate(seen, 1) if value]
    assert (len(changes), patch.applied(text, ",", ("a", "b"), changes).left) == (2, ())


@pytest.mark.parametrize("text", ["", "a,b\n", "row,column,old,new\nx,a,1,2\n", "row,column,old,new\n1,a\n"])
def test_what_is_no_patch_is_refused(text: str):
    """Columns that a patch has are lacking, or a line that says nothing."""
    with pytest.raises(InputRefused):
        patch.read(text)
