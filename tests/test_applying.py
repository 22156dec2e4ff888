"""A patch made on its list: what is done, what is left, and what is refused."""

from pathlib import Path

import pytest

from kvk_enrich import applying
from kvk_enrich.config import Settings, load_settings
from kvk_enrich.errors import InputRefused

PATCH = "row,value,number,field,column,old,new,quoted\n1,90000001,90000001,visit_city,Plaats,Fictum,Verzinsel,\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with a home of their own."""
    return load_settings({"home": tmp_path / "home"}, environ={})


def write(path: Path, content: str | bytes) -> Path:
    """Write a file."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_list_may_be_patched_in_place(tmp_path: Path, settings: Settings):
    """The output is the list itself; a second time there is nothing left to do."""
    listed = write(tmp_path / "list.csv", "nr;Plaats\r\n90000001;Fictum\r\n")
    patch = write(tmp_path / "out.patch.csv", PATCH)
    assert applying.apply(listed, patch, listed, settings).done == 1
    assert listed.read_bytes() == b"nr;Plaats\r\n90000001;Verzinsel\r\n"
    again = applying.apply(listed, patch, listed, settings)
    assert (again.done, [change.old for change in again.left]) == (0, ["Fictum"])


def test_a_patch_that_a_spreadsheet_saved_is_still_one(tmp_path: Path, settings: Settings):
    """With semicolons, a mark in front and other line ends."""
    listed = write(tmp_path / "list.csv", "nr,Plaats\n90000001,Fictum\n")
    patch = write(tmp_path / "saved.csv", "\ufeff" + PATCH.replace(",", ";").replace("\n", "\r\n"))
    assert applying.apply(listed, patch, tmp_path / "new.csv", settings).done == 1


def test_a_patch_that_a_spreadsheet_saved_in_an_old_encoding_is_read_as_the_list_is(tmp_path: Path, settings: Settings):
    """Where that was said; else it is refused with what helps. One that the run wrote is UTF-8 for any list."""
    listed = write(tmp_path / "list.csv", "nr;Plaats\n90000001;Café\n".encode("cp1252"))
    ours = write(tmp_path / "out.patch.csv", PATCH.replace("Fictum", "Café"))
    saved = write(tmp_path / "saved.csv", ours.read_text(encoding="utf-8").replace(",", ";").encode("cp1252"))
    western = load_settings({"home": tmp_path / "home", "encoding": "windows-1252"}, environ={})
    for a_patch in (ours, saved):
        assert applying.apply(listed, a_patch, tmp_path / "new.csv", western).done == 1
    write(listed, "nr,Plaats\n90000001,Café\n")
    with pytest.raises(InputRefused, match=r"saved\.csv is not UTF-8 text .*CSV UTF-8"):
        applying.apply(listed, saved, tmp_path / "new.csv", settings)


def test_columns_without_a_name_are_called_as_the_run_calls_them(tmp_path: Path, settings: Settings):
    """By their place."""
    listed = write(tmp_path / "list.csv", "nr,,\n90000001,Fictum,x\n")
    patch = write(tmp_path / "out.patch.csv", PATCH.replace("Plaats", "column_2"))
    assert applying.apply(listed, patch, tmp_path / "new.csv", settings).done == 1


def test_what_cannot_be_patched_is_refused_and_nothing_written(tmp_path: Path, settings: Settings):
    """No text list, no patch, line ends of long ago, a letter that the list's encoding has not."""
    patch = write(tmp_path / "out.patch.csv", PATCH)
    listed = write(tmp_path / "list.csv", "nr,Plaats\n90000001,Fictum\n")
    old = write(tmp_path / "old.csv", "nr,Plaats\r90000001,Fictum\r")
    strange = write(tmp_path / "strange.csv", PATCH.replace("Verzinsel", "Łódź"))
    western = load_settings({"home": tmp_path / "home", "encoding": "windows-1252"}, environ={})
    for a_list, a_patch, given, error in (
        (tmp_path / "list.xlsx", patch, settings, "text lists"),
        (listed, listed, settings, "no patch"),
        (old, patch, settings, "line ends"),
        (listed, strange, western, "save it as UTF-8"),
    ):
        with pytest.raises(InputRefused, match=error):
            applying.apply(a_list, a_patch, tmp_path / "new.csv", given)
    assert not (tmp_path / "new.csv").exists()


def test_a_patch_is_not_written_over(tmp_path: Path, settings: Settings):
    """Under whatever name."""
    listed = write(tmp_path / "list.csv", "nr;Plaats\r\n90000001;Fictum\r\n")
    patch = write(tmp_path / "out.patch.csv", PATCH)
    (tmp_path / "link.csv").symlink_to(patch)
    for output in (patch, tmp_path / "link.csv"):
        with pytest.raises(InputRefused, match="would overwrite the patch"):
            applying.apply(listed, patch, output, settings)
    assert patch.read_text() == PATCH
