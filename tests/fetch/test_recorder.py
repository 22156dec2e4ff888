"""The recorder: what it returned for is on disk."""

import threading
import time
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from kvk_enrich.errors import StorageError
from kvk_enrich.fetch.recorder import Recorder


def test_what_arrives_during_a_commit_goes_into_the_next_together():
    """A slow disk makes larger batches, not a longer queue; nothing is committed twice or out of order."""
    batches, returned = list[Any](), list[Any]()
    begun, go_on = threading.Event(), threading.Event()

    def commit(items):
        batches.append(list(items))
        begun.set()
        assert go_on.wait(120)

    async def main():
        recorder = Recorder(commit)

        async def record(item):
            await recorder.record(item)
            assert any(item in batch for batch in batches)
            returned.append(item)

        async with anyio.create_task_group() as group:
            group.start_soon(record, 0)
            assert await anyio.to_thread.run_sync(begun.wait, 10)
            for item in range(1, 50):
                group.start_soon(record, item)
            await anyio.wait_all_tasks_blocked()
            go_on.set()

    anyio.run(main)
    assert [item for batch in batches for item in batch] == list(range(50))
    assert len(batches) == 2
    assert sorted(returned) == list(range(50))


def test_commits_are_never_under_way_twice():
    """The journal sees one writer of this process at a time."""
    under_way = []

    def commit(items):
        under_way.append(1)
        assert len(under_way) == 1
        time.sleep(0.001)
        under_way.pop()

    async def main():
        recorder = Recorder(commit)
        async with anyio.create_task_group() as group:
            for item in range(20):
                group.start_soon(recorder.record, item)
                await anyio.lowlevel.checkpoint()

    anyio.run(main)


def test_a_failed_commit_is_told_to_everyone_who_waited_for_it():
    """No answer counts that is not on disk; when the disk is well again, what comes then is kept."""
    kept, full = [], [True]

    def commit(items):
        if full[0]:
            raise StorageError("the disk is full")
        kept.extend(items)

    async def main():
        recorder, told = Recorder(commit), list[Any]()

        async def record(item):
            with pytest.raises(StorageError):
                await recorder.record(item)
            told.append(item)

        async with anyio.create_task_group() as group:
            for item in range(5):
                group.start_soon(record, item)
        assert sorted(told) == [0, 1, 2, 3, 4]
        full[0] = False
        await recorder.record(5)

    anyio.run(main)
    assert kept == [5]


def test_a_cancelled_caller_leaves_no_answer_behind():
    """An answer received is kept, also when the one who received it is told to go."""
    kept: list[Any] = []

    async def main():
        recorder = Recorder(kept.extend)
        async with anyio.create_task_group() as group:
            for item in range(3):
                group.start_soon(recorder.record, item)
            await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()

    anyio.run(main)
    assert kept == [0, 1, 2]
