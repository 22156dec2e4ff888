"""The stop: asked for once, known everywhere."""

import anyio
import pytest
from tests.simulators.virtual_time import run

from kvk_enrich.errors import ExitCode, StorageError
from kvk_enrich.fetch.stop import Cause, Stop

FIRST = Cause("run_ceiling", ExitCode.CEILING, "The ceiling was reached.")
SECOND = Cause("stopped", ExitCode.INTERRUPTED, "Stopped.")


def test_the_first_cause_stands():
    """What comes later is a consequence."""

    async def main(clock):
        stop = Stop()
        assert not stop.requested
        stop.request(FIRST)
        stop.request(SECOND)
        assert (stop.requested, stop.cause) == (True, FIRST)

    run(main)


def test_sleep_ends_with_its_time_or_with_the_stop():
    """Whichever is first."""

    async def main(clock):
        stop = Stop()
        await stop.sleep(5)
        assert clock.seconds == pytest.approx(1005)
        async with anyio.create_task_group() as group:
            group.start_soon(stop.sleep, 60)
            group.start_soon(stop.wait)
            await anyio.sleep(1)
            stop.request(SECOND)
        assert clock.seconds == pytest.approx(1006)

    run(main)


def test_interrupts_cancels_what_waits_and_spares_what_is_shielded():
    """Also for whoever begins to wait after the end was asked for."""

    async def main(clock):
        stop, ended = Stop(), []

        async def wait():
            with stop.interrupts():
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(2)
                ended.append("received")
                await anyio.sleep(60)
                ended.append("never")

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.sleep(1)
            stop.request(SECOND)
        await wait()
        assert ended == ["received", "received"]
        assert clock.seconds == pytest.approx(1004)

    run(main)


def test_a_part_may_end_without_the_whole():
    """Its ceiling is its own affair; neither the whole nor the other parts hear of it."""

    async def main(clock):
        whole = Stop()
        parts = [Stop(whole, lambda cause: cause.exit_code != ExitCode.CEILING) for _ in range(2)]
        parts[0].request(FIRST)
        assert [stop.cause for stop in (whole, *parts)] == [None, FIRST, None]
        parts[1].request(SECOND)
        assert [stop.cause for stop in (whole, *parts)] == [SECOND, FIRST, SECOND]

    run(main)


def test_a_part_ends_the_whole_if_nothing_else_is_said():
    """So do the other parts, and what waits in them."""

    async def main(clock):
        whole = Stop()
        part, other = Stop(whole), Stop(whole)
        async with anyio.create_task_group() as group:
            group.start_soon(other.sleep, 60)
            group.start_soon(whole.wait)
            await anyio.sleep(1)
            part.request(SECOND)
        assert [stop.cause for stop in (whole, part, other)] == [SECOND] * 3
        assert clock.seconds == pytest.approx(1001)

    run(main)


def test_the_end_of_the_whole_is_the_end_of_all_parts():
    """Also of those below a part, of those made later, and of those that would not have ended the whole."""

    async def main(clock):
        whole = Stop()
        part = Stop(whole, lambda _: False)
        below = Stop(part)
        whole.request(SECOND)
        later = Stop(whole, lambda _: False)
        assert [stop.cause for stop in (part, below, later)] == [SECOND] * 3
        with anyio.fail_after(1):
            await later.wait()
            with later.interrupts():
                await anyio.sleep_forever()

    run(main)


@pytest.mark.parametrize("part_first", [True, False])
def test_the_first_cause_stands_in_each_part(part_first):
    """A part that ended before the whole keeps its own cause, and does not change that of the whole."""

    async def main(clock):
        whole = Stop()
        part = Stop(whole, lambda _: False)
        order = [(part, FIRST), (whole, SECOND)]
        for stop, cause in order if part_first else reversed(order):
            stop.request(cause)
        assert (whole.cause, part.cause) == (SECOND, FIRST if part_first else SECOND)

    run(main)


@pytest.mark.parametrize(("error", "code"), [(StorageError("full"), ExitCode.STORAGE), (KeyError("x"), ExitCode.BUG)])
def test_what_breaks_is_the_end_and_comes_out(error, code):
    """The others come to their end meanwhile; what ends by itself or is cancelled asks for nothing."""

    async def main(clock):
        stop = Stop()
        with stop.told_of_errors():
            pass
        with anyio.CancelScope() as scope, stop.told_of_errors():
            scope.cancel()
            await anyio.sleep(1)
        assert not stop.requested
        with pytest.raises(type(error)), stop.told_of_errors():
            raise error
        assert stop.cause == Cause("stopped", code, str(error))

    run(main)
