"""A time of day at which the asking ends."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.faults.practised import MovedClock
from tests.harness import existing, write_list

from kvk_enrich import ExitCode, flow, listing, load


def test_a_deadline_that_passes_while_the_list_is_read_is_not_tomorrows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is asked, the outputs are written, and the rest is deferred."""
    clock, read = MovedClock.at("2026-11-03T04:59:58+00:00"), listing.read

    def slowly(*details: Any) -> listing.Listed:
        clock.wall += timedelta(seconds=5)
        return read(*details)

    monkeypatch.setattr(listing, "read", slowly)
    job = load(
        {
            "input": write_list(tmp_path / "list.csv", existing(5)),
            "source": "practice",
            "home": tmp_path / "home",
            "output": tmp_path / "out.parquet",
            "deadline": "06:00",
        }
    )
    finished = flow.run(job, clock=clock)
    assert (finished.exit_code, finished.record.stop_reason) == (ExitCode.CEILING, "time_ceiling")
    assert (finished.record.rows.deferred, finished.record.calls.sent) == (5, 0)
