"""The stop: asked for once, known everywhere."""

import anyio
import pytest
from tests.simulators.virtual_time import run

from kvk_enrich.errors import ExitCode
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
