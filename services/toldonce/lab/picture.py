"""Pictures as SVG: a bar for each policy with its interval, and lines over time."""

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

_ROW, _LEFT, _WIDTH, _RIGHT, _TOP = 34, 190, 480, 120, 56


_HEIGHT = 300
_COLOURS = ("#4a7fb5", "#c2703d", "#5b8c5a", "#7d5ba6")


def lines(title: str, at: Sequence[float], rows: Mapping[str, Sequence[float]]) -> str:
    """Draw named values, each over `at`; from 0 to the largest."""
    most = max((value for row in rows.values() for value in row), default=1.0) or 1.0
    last = max(at, default=1.0) or 1.0
    drawn = ""
    for place, (name, row) in enumerate(rows.items()):
        colour = _COLOURS[place % len(_COLOURS)]
        points = " ".join(
            f"{_LEFT + _WIDTH * x / last:.1f},{_TOP + _HEIGHT * (1 - max(y, 0.0) / most):.1f}"
            for x, y in zip(at, row, strict=True)
        )
        drawn += (
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>\n'
            f'<text x="16" y="{_TOP + 16 + 22 * place}" fill="{colour}">{escape(name)}</text>\n'
        )
    drawn += (
        f'<text x="{_LEFT - 10}" y="{_TOP + 5}" text-anchor="end">{most:.4g}</text>\n'
        f'<text x="{_LEFT - 10}" y="{_TOP + _HEIGHT}" text-anchor="end">0</text>\n'
        f'<text x="{_LEFT + _WIDTH}" y="{_TOP + _HEIGHT + 18}" text-anchor="end">{last:g}</text>\n'
    )
    return _framed(title, _HEIGHT, drawn)


def bars(title: str, rows: Sequence[tuple[str, float, float]]) -> str:
    """Draw named values with half-widths; the longest bar is the largest value."""
    most = max((value + half for _, value, half in rows), default=1.0) or 1.0
    drawn = [_bar(place, row, most) for place, row in enumerate(rows)]
    return _framed(title, _ROW * len(rows), "".join(drawn))


def _framed(title: str, height: int, drawn: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + _RIGHT}" '
        f'height="{_TOP + height + 30}" font-family="sans-serif" font-size="14">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n'
        f'<text x="16" y="30" font-size="16">{escape(title)}</text>\n{drawn}</svg>\n'
    )


def _bar(place: int, row: tuple[str, float, float], most: float) -> str:
    name, value, half = row
    y = _TOP + _ROW * place
    long, low, high = (_WIDTH * max(x, 0.0) / most for x in (value, value - half, value + half))
    middle = y + 11
    return (
        f'<text x="{_LEFT - 10}" y="{y + 16}" text-anchor="end">{escape(name)}</text>\n'
        f'<rect x="{_LEFT}" y="{y}" width="{long:.1f}" height="22" fill="#4a7fb5"/>\n'
        f'<line x1="{_LEFT + low:.1f}" x2="{_LEFT + high:.1f}" y1="{middle}" y2="{middle}" '
        f'stroke="#1c2f44" stroke-width="2"/>\n'
        f'<text x="{_LEFT + high + 8:.1f}" y="{y + 16}">{value:.3f} ± {half:.3f}</text>\n'
    )
