import pytest

from kvk_enrich.readers.faults import first_fault


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"a;b\n1;2\n1;2;3\n", "line 3 has 3 cells"),
        (b"sep=;\na;b\n1;2;3\n", "line 3 has 3 cells"),
        (b'a;b\n"x\ny\nz";2\n"1', "line 5 opens a quote"),
        (b'a;b\n1;2\n"1" ;2\n', "line 3 has text after a closing quote"),
        (b'a;b\n1;12" pijp\n', "line 2 has a quotation mark inside a cell"),
        (b'a;b\n1;een "goede" pijp\n1;12" pijp\n', "line 3 has a quotation mark"),
        (b"a;b\n1;2\n", "it is not a table of cells"),
    ],
)
def test_first_fault(text, sentence, tmp_path):
    """The first malformed record is named by its line, counted as editors count."""
    path = tmp_path / "list.csv"
    path.write_bytes(text)

    assert first_fault(path, ";", 2, int(text.startswith(b"sep="))).startswith(sentence)


def test_far_into_a_long_file(tmp_path):
    """Good records are passed quickly, a million of them in well under the time of a test."""
    path = tmp_path / "list.csv"
    path.write_bytes(b"a|b\n" + b'"x ""y"" z"|12345678\r\n' * 1_000_000 + b"1|2|3\n")

    assert first_fault(path, "|", 2, 0).startswith("line 1000002 has 3 cells")
