"""A bar chart as SVG: groups of bars with the range of their rounds. Knows nothing of benchmarks."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from .ratios import Spread

WIDTH, LEFT, BAR, GAP, LEGEND = 760, 190, 16, 14, 18
COLOURS = ["#b5532a", "#3b6ea5", "#6c8f4e", "#8a8a8a", "#8e6bb0", "#c2a13c", "#4f9b9b", "#a55a7a", "#5c5c8a", "#7a5c3c"]


@dataclass(frozen=True)
class Group:
    """Bars that belong together: a label, and per series its numbers, or none."""

    label: str
    bars: Sequence[Spread | None]


def bars(title: str, series: Sequence[str], groups: Sequence[Group]) -> str:
    """One bar per series and group; a thin line from the lowest to the highest round."""
    most = max(bar.high for group in groups for bar in group.bars if bar) or 1.0
    scale = (WIDTH - LEFT - 110) / most
    legend, y = _legend(series)
    parts = [_text(LEFT, 20, title, "bold"), *legend]
    for group in groups:
        height = BAR * sum(bar is not None for bar in group.bars)
        parts.append(_text(LEFT - 10, y + height / 2 + 4, group.label, anchor="end"))
        for bar, colour in zip(group.bars, COLOURS, strict=False):
            if bar is not None:
                parts += _bar(bar, y, scale, colour)
                y += BAR
        y += GAP
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" font-family="sans-serif" font-size="12">'
    paper = f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>'
    return "\n".join([head, paper, *parts, "</svg>", ""])


def _legend(series: Sequence[str]) -> tuple[list[str], int]:
    """In as many lines as it needs, and where the bars begin."""
    parts, x, y = [], float(LEFT), 28
    for name, colour in zip(series, COLOURS, strict=False):
        width = 34 + 6.5 * len(name)
        if x > LEFT and x + width > WIDTH:
            x, y = float(LEFT), y + LEGEND
        parts.append(f'<rect x="{x:.0f}" y="{y}" width="10" height="10" fill="{colour}"/>')
        parts.append(_text(x + 14, y + 9, name))
        x += width
    return parts, y + LEGEND


def _bar(bar: Spread, y: float, scale: float, colour: str) -> list[str]:
    middle, low, high = LEFT + bar.median * scale, LEFT + bar.low * scale, LEFT + bar.high * scale
    line = y + BAR / 2 - 1
    return [
        f'<rect x="{LEFT}" y="{y}" width="{middle - LEFT:.1f}" height="{BAR - 2}" fill="{colour}"/>',
        f'<path d="M{low:.1f} {line}H{high:.1f}" stroke="#222222" stroke-width="1.5"/>',
        _text(max(middle, high) + 6, y + BAR - 5, f"{bar.median:,.0f}"),
    ]


def _text(x: float, y: float, text: str, weight: str = "normal", anchor: str = "start") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" font-weight="{weight}" text-anchor="{anchor}" fill="#222222">{escape(text)}</text>'
