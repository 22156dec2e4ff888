"""
The charts of the page: SVG to stand in it, in the colours that the page gives them.

matplotlib draws, without a display and without its global state; colours are drawn as placeholders and become
variables of the page's style sheet, so that a chart is light or dark with it. Text stays text.
"""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from kvk_enrich.write.report.figures import VAT_STATES, Counts
from kvk_enrich.write.report.provinces import TILES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INKS: Final = (
    "ink",
    "soft",
    "track",
    "paper",
    "accent",
    "found",
    "not_found",
    "invalid",
    "failed",
    "deferred",
    "active",
    "ended",
    "valid",
    "unknown",
    "other",
)
_PLACEHOLDERS: Final = {name: f"#fe{place:02x}5a" for place, name in enumerate(_INKS)}

_WIDTH: Final = 400
_LABEL: Final = 13
_LABEL_CHARACTERS: Final = 46
_POINTS_PER_INCH: Final = 72

_OUT_OF_PLACE: Final = re.compile(
    r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>|<!--.*?-->| id=\"[^\"]*\"|font-family: [^;\"]*;? ?",
    re.DOTALL,
)
"""What would reach from a chart into the page: its data, styles, ids and fonts."""

Shown = Callable[[int], str]
"""A number as people read it."""


def strip(name: str, title: str, counts: Counts, labels: Mapping[str, str], shown: Shown) -> Markup:
    """Return one bar made of *counts*; each part has the colour of its name."""

    def draw(axes: "Axes") -> None:
        total, left = sum(count for _, count in counts) or 1, 0.0
        for part, count in counts:
            width = _WIDTH * count / total
            axes.barh(10, width, 20, left, color=_ink(part), edgecolor=_ink("paper"), linewidth=1)
            left += width

    return _drawn(name, title, _told(counts, labels, shown), 20, draw, stretched=True)


def ring(name: str, title: str, counts: Counts, labels: Mapping[str, str], shown: Shown, *, centre: str) -> Markup:
    """Return a ring of *counts* with *centre* written in it."""

    def draw(axes: "Axes") -> None:
        from matplotlib.patches import Wedge  # noqa: PLC0415 (heavy)

        total, start = sum(count for _, count in counts) or 1, 90.0
        for part, count in counts:
            end = start + 360 * count / total
            colours = {"facecolor": _ink(part), "edgecolor": _ink("paper"), "linewidth": 2}
            axes.add_patch(Wedge((_WIDTH / 2, 90), 82, start, end, width=24, clip_on=False, **colours))
            start = end
        axes.text(_WIDTH / 2, 90, centre, size=24, weight="bold", color=_ink("ink"), ha="center", va="center")

    return _drawn(name, title, _told(counts, labels, shown), 180, draw)


def bars(name: str, title: str, counts: Counts, labels: Mapping[str, str], shown: Shown) -> Markup:
    """Return a bar for each of *counts*, its label and count above it."""
    longest = max(count for _, count in counts)

    def draw(axes: "Axes") -> None:
        for place, (part, count) in enumerate(counts):
            top = place * 38
            _labelled(axes, top, labels.get(part, part), shown(count))
            colour = _ink("other" if part in ("other", "unknown") else "accent")
            axes.barh(top + 26, _WIDTH, 8, 0, color=_ink("track"))
            axes.barh(top + 26, _WIDTH * count / longest, 8, 0, color=colour)

    return _drawn(name, title, _told(counts, labels, shown), len(counts) * 38, draw)


def columns(name: str, title: str, counts: Counts, labels: Mapping[str, str], shown: Shown) -> Markup:
    """Return a column for each of *counts*, side by side."""
    highest = max(1, *(count for _, count in counts))

    def draw(axes: "Axes") -> None:
        pitch = _WIDTH / len(counts)
        for place, (part, count) in enumerate(counts):
            middle, height = (place + 0.5) * pitch, 130 * count / highest
            axes.bar(middle, -height, pitch * 0.72, 158, color=_ink("accent"))
            axes.text(middle, 152 - height, shown(count), size=12, color=_ink("soft"), ha="center", va="baseline")
            axes.text(middle, 176, labels.get(part, part), size=_LABEL, color=_ink("ink"), ha="center", va="baseline")
        axes.barh(158.5, _WIDTH, 1, 0, color=_ink("soft"))

    return _drawn(name, title, _told(counts, labels, shown), 184, draw)


def stacks(
    name: str,
    title: str,
    counts: Sequence[tuple[str, tuple[int, ...]]],
    labels: Mapping[str, str],
    states: Mapping[str, str],
    shown: Shown,
) -> Markup:
    """Return a bar for each of *counts*, made of its valid, invalid and unknown ones."""
    longest = max(sum(parts) for _, parts in counts)

    def draw(axes: "Axes") -> None:
        for place, (part, parts) in enumerate(counts):
            top, left = place * 38, 0.0
            _labelled(axes, top, labels.get(part, part), shown(sum(parts)))
            axes.barh(top + 26, _WIDTH, 8, 0, color=_ink("track"))
            for state, count in zip(VAT_STATES, parts, strict=True):
                width = _WIDTH * count / longest
                axes.barh(top + 26, width, 8, left, color=_ink(state))
                left += width

    told = "; ".join(
        f"{labels.get(part, part)}: "
        + ", ".join(f"{states[state]} {shown(count)}" for state, count in zip(VAT_STATES, parts, strict=True) if count)
        for part, parts in counts
    )
    return _drawn(name, title, told, len(counts) * 38, draw)


def tiles(name: str, title: str, counts: Counts, labels: Mapping[str, str], shown: Shown) -> Markup:
    """Return a map of squares, a province each, the darker the more."""
    found = dict(counts)
    most = max(found.values())

    def draw(axes: "Axes") -> None:
        from matplotlib.patches import Rectangle  # noqa: PLC0415 (heavy)

        for there, (column, row) in TILES.items():
            count = found.get(there, 0)
            left, top = column * 100 + 2, row * 84 + 2
            axes.add_patch(Rectangle((left, top), 96, 80, color=_ink("track"), clip_on=False, linewidth=0))
            if count:
                depth = 0.15 + 0.45 * count / most
                axes.add_patch(
                    Rectangle((left, top), 96, 80, color=_ink("accent"), alpha=depth, clip_on=False, linewidth=0)
                )
            axes.text(left + 9, top + 22, labels[there], size=11, color=_ink("ink"), ha="left", va="baseline")
            axes.text(left + 9, top + 66, shown(count), size=20, color=_ink("ink"), ha="left", va="baseline")

    return _drawn(name, title, _told(counts, labels, shown), 336, draw)


def _labelled(axes: "Axes", top: float, label: str, value: str) -> None:
    short = label if len(label) <= _LABEL_CHARACTERS else f"{label[: _LABEL_CHARACTERS - 1]}…"
    axes.text(0, top + 16, short, size=_LABEL, color=_ink("ink"), ha="left", va="baseline")
    axes.text(_WIDTH, top + 16, value, size=_LABEL, color=_ink("soft"), ha="right", va="baseline")


def _told(counts: Counts, labels: Mapping[str, str], shown: Shown) -> str:
    return "; ".join(f"{labels.get(part, part)}: {shown(count)}" for part, count in counts)


def _ink(name: str) -> str:
    return _PLACEHOLDERS[name]


def _drawn(
    name: str, title: str, told: str, height: int, draw: Callable[["Axes"], None], *, stretched: bool = False
) -> Markup:
    """Return what *draw* draws, on points of a page of _WIDTH by *height*, the first at the top left."""
    from matplotlib import rc_context  # noqa: PLC0415 (heavy)
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415 (heavy)
    from matplotlib.figure import Figure  # noqa: PLC0415 (heavy)

    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "text.parse_math": False}):
        figure = Figure(figsize=(_WIDTH / _POINTS_PER_INCH, height / _POINTS_PER_INCH), frameon=False)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        draw(axes)
        axes.set_xlim(0, _WIDTH)
        axes.set_ylim(height, 0)
        for each in axes.patches:
            each.set_clip_on(False)
        made = io.StringIO()
        canvas: Any = FigureCanvasSVG(figure)  # its methods have no type hints
        canvas.print_svg(made, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _for_the_page(made.getvalue(), name, title, told, height, stretched=stretched)


def _for_the_page(svg: str, name: str, title: str, told: str, height: int, *, stretched: bool) -> Markup:
    """Return *svg* without what would reach into the page (ids, styles), with its colours, a title and a text."""
    inner = svg[svg.index(">", svg.index("<svg")) + 1 : svg.rindex("</svg>")]
    inner = re.sub(
        r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>|<!--.*?-->", "", inner, flags=re.DOTALL
    )
    inner = re.sub(r' id="[^"]*"', "", inner)
    inner = re.sub(r"font-family: [^;\"]*;? ?", "", inner)
    for ink, placeholder in _PLACEHOLDERS.items():
        inner = inner.replace(placeholder, f"var(--{ink})")
    inner = re.sub(r"\s*\n\s*", "\n", inner).strip()
    ratio = Markup(' preserveAspectRatio="none"') if stretched else ""
    head = Markup('<svg viewBox="0 0 {} {}"{} role="img" aria-labelledby="{}-title {}-text">').format(
        _WIDTH, height, ratio, name, name
    )
    said = Markup('<title id="{}-title">{}</title><desc id="{}-text">{}</desc>').format(name, title, name, told)
    return head + said + Markup(f"{inner}</svg>")  # noqa: S704 (matplotlib has escaped its texts)
