"""Bar charts as SVG, small enough to stand in an asset's metadata."""

import base64
from collections.abc import Sequence
from html import escape

BAR, GAP, HEIGHT, FOOT = 14, 4, 160, 62
COLOURS = ("#4c78a8", "#f58518", "#72b7b2", "#b279a2")
GAIN, LOSS = "#54a24b", "#e45756"


def stacked_bars(title: str, parts: Sequence[str], bars: Sequence[tuple[str, Sequence[int]]], unit: str) -> str:
    """SVG of bars, each a label and as many values as there are `parts`, stacked; the tallest fills the height."""
    tallest = max((sum(values) for _, values in bars), default=0) or 1
    width = max(320, len(bars) * (BAR + GAP) + 20)
    drawn = [
        f'<text x="6" y="14" font-weight="bold">{escape(title)}, up to {tallest:,} {escape(unit)}</text>',
        *(
            f'<text x="{6 + 70 * i}" y="28" fill="{COLOURS[i % len(COLOURS)]}">{escape(part)}</text>'
            for i, part in enumerate(parts)
        ),
    ]
    for place, (label, values) in enumerate(bars):
        x, top = 10 + place * (BAR + GAP), 36.0 + HEIGHT
        for i, value in enumerate(values):
            tall = HEIGHT * value / tallest
            top -= tall
            drawn.append(
                f'<rect x="{x}" y="{top:.1f}" width="{BAR}" height="{tall:.1f}" fill="{COLOURS[i % len(COLOURS)]}">'
                f"<title>{escape(label)} {escape(parts[i])}: {value:,} {escape(unit)}</title></rect>"
            )
        drawn.append(
            f'<text transform="translate({x + 11},{36 + HEIGHT + FOOT - 6}) rotate(-90)" font-size="10">{escape(label)}</text>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{36 + HEIGHT + FOOT}"'
        f' font-family="sans-serif" font-size="11">{"".join(drawn)}</svg>'
    )


def gains_and_losses(title: str, bars: Sequence[tuple[str, int]]) -> str:
    """SVG of one bar a label, above the line where its value is positive and below where it is negative."""
    highest, lowest = max(0, *(v for _, v in bars), 0), min(0, *(v for _, v in bars), 0)
    scale = HEIGHT / ((highest - lowest) or 1)
    zero = 24 + highest * scale
    width = max(320, len(bars) * (BAR + GAP) + 20)
    drawn = [
        f'<text x="6" y="14" font-weight="bold">{escape(title)}</text>',
        f'<path d="M6 {zero:.1f}H{width - 6}" stroke="#888"/>',
    ]
    for place, (label, value) in enumerate(bars):
        x, tall = 10 + place * (BAR + GAP), abs(value) * scale
        drawn.append(
            f'<rect x="{x}" y="{zero - max(0, value) * scale:.1f}" width="{BAR}" height="{tall:.1f}"'
            f' fill="{GAIN if value > 0 else LOSS}"><title>{escape(label)}: {value:,}</title></rect>'
            f'<text x="{x + BAR / 2}" y="{HEIGHT + 38}" font-size="9" text-anchor="middle">{escape(label)}</text>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{HEIGHT + 44}"'
        f' font-family="sans-serif" font-size="11">{"".join(drawn)}</svg>'
    )


def as_markdown(svg: str, words: str) -> str:
    """The picture inside Markdown, needing no file beside it."""
    return f"![{words}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"
