"""An event loop whose waiting takes no time: when nothing can happen, its clock jumps to the next timer."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")

_STEP_SECONDS = 1e-7
"""What a turn of the loop takes: were it nothing, code that waits for "a moment" would turn for ever."""


class VirtualClock:
    """
    The loop's time, as the program's clock; another thread may let time pass.

    While *at_work* is not 0, threads that the loop knows nothing of are at work, and time does not jump.
    """

    def __init__(self) -> None:
        self.seconds = 1_000.0
        self.at_work = 0

    def now(self) -> datetime:
        return datetime(2026, 11, 21, 12, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def boot_ns(self) -> int:
        return round(self.seconds * 1_000_000_000)

    def boot_id(self) -> str:
        return "virtual"

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass while nothing else happens: a blocked loop, a slow disk."""
        self.seconds += seconds


class _Selector(selectors.DefaultSelector):
    clock: VirtualClock
    limiter: anyio.CapacityLimiter | None = None

    def select(self, timeout=None):
        self.clock.pass_seconds(_STEP_SECONDS)
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None or self.clock.at_work or (self.limiter is not None and self.limiter.borrowed_tokens):
            return super().select(5)
        self.clock.pass_seconds(timeout)
        return []


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: VirtualClock) -> None:
        self._virtual = clock
        selector = _Selector()
        selector.clock = clock
        super().__init__(selector)

    def time(self) -> float:
        return self._virtual.seconds


def run(function: Callable[[VirtualClock], Awaitable[T]], clock: VirtualClock | None = None) -> T:
    """Run *function* in a loop of its own, by *clock* or a new one; worker threads take the real time they take."""
    time = clock or VirtualClock()

    async def main() -> T:
        loop = asyncio.get_running_loop()
        loop._selector.limiter = anyio.to_thread.current_default_thread_limiter()  # type: ignore[attr-defined]
        return await function(time)

    return anyio.run(main, backend_options={"loop_factory": lambda: _Loop(time)})
