"""A bar for each policy, with its interval, as SVG."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

_ROW, _LEFT, _WIDTH, _RIGHT, _TOP = 34, 190, 480, 120, 56


def bars(title: str, rows: Sequence[tuple[str, float, float]]) -> str:
    """Draw named values with half-widths; the longest bar is the largest value."""
    most = max((value + half for _, value, half in rows), default=1.0) or 1.0
    drawn = [_bar(place, row, most) for place, row in enumerate(rows)]
    height = _TOP + _ROW * len(rows) + 20
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + _RIGHT}" '
        f'height="{height}" font-family="sans-serif" font-size="14">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n'
        f'<text x="16" y="30" font-size="16">{escape(title)}</text>\n' + "".join(drawn) + "</svg>\n"
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
