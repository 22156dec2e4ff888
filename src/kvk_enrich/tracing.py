"""
Where the time of a run goes, for OpenTelemetry: a span for the run and one for each of its parts.

Active only where ``OTEL_EXPORTER_OTLP_ENDPOINT`` is set and the extra ``otel`` is installed; otherwise nothing is
imported and :func:`span` does nothing. Spans hold counts and codes, never a number, a key or the text of an error.
They are sent when the run is over: nobody waits for a collector meanwhile.
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from kvk_enrich.version import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Tracer

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"

_SECONDS: Final = 5.0
"""For sending, repeats included."""

_TRACER: Final[ContextVar["Tracer | None"]] = ContextVar("tracer", default=None)

Put = Callable[[str, str | float], None]
"""Gives the span an attribute: its name and value."""


@contextmanager
def traced(note: Callable[[str], None], environ: Mapping[str, str] | None = None) -> Iterator[None]:
    """Send the spans of what is done within, if they are wanted; *note* is told when that fails, and nobody else."""
    if not (os.environ if environ is None else environ).get(ENDPOINT):
        yield
        return
    try:
        tracer, finished = _made()
    except Exception as error:  # noqa: BLE001 - not installed, or its variables are wrong: the run does without
        note(f"{ENDPOINT} is set, but spans cannot be made ({type(error).__name__}): pip install 'kvk-enrich[otel]'")
        yield
        return
    token = _TRACER.set(tracer)
    try:
        yield
    finally:
        _TRACER.reset(token)
        try:
            sent = _send(finished())
        except Exception:  # noqa: BLE001 - the run is over, and right
            sent = False
        if not sent:
            note("The spans of the run could not be sent. The run is not affected.")


@contextmanager
def span(name: str, **attributes: str | float) -> Iterator[Put]:
    """Time what is done within as a span called *name*; yield what gives it more attributes."""
    tracer = _TRACER.get()
    if tracer is None:
        yield _nothing
        return
    with tracer.start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield current.set_attribute
        except BaseException as error:
            current.set_attribute("error.type", type(error).__name__)
            raise


def _nothing(_name: str, _value: str | float) -> None:
    return


def _made() -> tuple["Tracer", Callable[[], tuple["ReadableSpan", ...]]]:
    """Return what makes spans, and what returns those that are finished."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - only where it is wanted
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: PLC0415

    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # it logs where it sends to, and what came of it
    named = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME") or "kvk-enrich"})
    provider, kept = TracerProvider(resource=named, shutdown_on_exit=False), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    return provider.get_tracer("kvk_enrich", __version__), kept.get_finished_spans


def _send(spans: tuple["ReadableSpan", ...]) -> bool:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import SpanExportResult  # noqa: PLC0415

    exporter = OTLPSpanExporter(timeout=_SECONDS)
    try:
        return exporter.export(spans) is SpanExportResult.SUCCESS
    finally:
        exporter.shutdown()  # type: ignore[no-untyped-call]
