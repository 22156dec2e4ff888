"""What writers say of their files, and of the disk."""

import errno
import hashlib
from pathlib import Path

import polars as pl
import pytest

from kvk_enrich.disk import os_errors
from kvk_enrich.write.written import Written, described


def test_described_reads_the_file_back(tmp_path: Path) -> None:
    """The hash is that of the bytes on the disk."""
    path = tmp_path / "out.csv"
    path.write_bytes(b"a\n1\n")

    assert described(path, 1) == Written(path, hashlib.sha256(b"a\n1\n").hexdigest(), 1)


@pytest.mark.parametrize("writer", ["sink_parquet", "sink_csv"])
def test_a_full_disk_has_its_number(writer: str) -> None:
    """A disk that is full is an OSError with its number, whatever polars makes of it."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")

    with pytest.raises(OSError, match="No space left") as caught, os_errors():
        getattr(pl.LazyFrame({"text": ["x" * 100] * 100_000}), writer)("/dev/full")

    assert caught.value.errno == errno.ENOSPC


def test_other_errors_keep_their_kind() -> None:
    """What the operating system did not say is not blamed on the disk."""
    with pytest.raises(pl.exceptions.ComputeError, match="nested"), os_errors():
        pl.LazyFrame({"list": [[1]]}).sink_csv("/dev/null")
