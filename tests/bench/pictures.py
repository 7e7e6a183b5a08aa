"""Line charts over time, as SVG of our own making: panels below one another that share the axis of time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

BLUE, ORANGE, GREEN, RED, PURPLE = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#aa4499"
"""Okabe and Ito's, nearly: told apart by everybody, and in grey."""

_WIDTH, _LEFT, _RIGHT, _TOP = 1000, 70, 30, 48
_PANEL, _HEAD, _GAP, _FOOT = 230, 34, 32, 52
_INK, _PALE, _GRID = "#222222", "#666666", "#dddddd"
_STEPS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Line:
    label: str
    colour: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False
    """Drawn thin, and left out of the legend: what a line should be, beside what it is."""


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    y_label: str
    y_max: float
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Shade:
    begin: float
    end: float
    label: str
    colour: str


def draw(title: str, panels: Sequence[Panel], *, x_label: str, x_max: float, shades: Sequence[Shade] = ()) -> str:
    """The whole SVG document. Shades run through every panel, and are named in the first."""
    height = _TOP + len(panels) * (_HEAD + _PANEL) + (len(panels) - 1) * _GAP + _FOOT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        'font-family="system-ui, sans-serif" font-size="13">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(_LEFT, 30, title, size=18, weight=600),
    ]
    top = _TOP
    for place, panel in enumerate(panels):
        plot = _Plot(top + _HEAD, x_max, panel.y_max)
        parts += _draw_panel(plot, panel, shades, named=place == 0)
        top += _HEAD + _PANEL + _GAP
    parts.append(_text(_LEFT + _plot_width() / 2, height - 12, x_label, anchor="middle"))
    return "\n".join([*parts, "</svg>"]) + "\n"


@dataclass(frozen=True, slots=True)
class _Plot:
    """Where values stand on the page."""

    top: float
    x_max: float
    y_max: float

    def x(self, value: float) -> float:
        return _LEFT + value / self.x_max * _plot_width()

    def y(self, value: float) -> float:
        return self.top + _PANEL * (1 - min(value, self.y_max) / self.y_max)


def _draw_panel(plot: _Plot, panel: Panel, shades: Iterable[Shade], *, named: bool) -> list[str]:
    parts: list[str] = []
    for shade in shades:
        left, right = plot.x(shade.begin), plot.x(shade.end)
        parts.append(
            f'<rect x="{left:.1f}" y="{plot.top}" width="{right - left:.1f}" height="{_PANEL}" '
            f'fill="{shade.colour}" fill-opacity="0.12"/>'
        )
        if named:
            parts.append(_text((left + right) / 2, plot.top + 17, shade.label, anchor="middle", colour=_INK))
    parts += _axes(plot, panel.y_label)
    parts.append(_text(_LEFT, plot.top - 12, panel.title, weight=600))
    parts += [_polyline(plot, line) for line in panel.lines]
    return parts + _legend(plot.top - 12, [line for line in panel.lines if not line.dashed])


def _axes(plot: _Plot, y_label: str) -> list[str]:
    right, bottom = _LEFT + _plot_width(), plot.top + _PANEL
    parts = []
    for value in _ticks(plot.y_max, 5):
        y = plot.y(value)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{right}" stroke="{_GRID}"/>')
        parts.append(_text(_LEFT - 8, y + 4, f"{value:g}", anchor="end", colour=_PALE))
    for value in _ticks(plot.x_max, 10):
        x = plot.x(value)
        parts.append(f'<path d="M{x:.1f} {bottom}v5" stroke="{_PALE}"/>')
        parts.append(_text(x, bottom + 19, f"{value:g}", anchor="middle", colour=_PALE))
    parts.append(f'<path d="M{_LEFT} {plot.top}V{bottom}H{right}" stroke="{_PALE}" fill="none"/>')
    middle = plot.top + _PANEL / 2
    parts.append(
        f'<text transform="translate(20 {middle}) rotate(-90)" text-anchor="middle" fill="{_INK}">'
        f"{escape(y_label)}</text>"
    )
    return parts


def _polyline(plot: _Plot, line: Line) -> str:
    points = " ".join(f"{plot.x(x):.1f},{plot.y(y):.1f}" for x, y in line.points)
    manner = 'stroke-width="1" stroke-dasharray="5 4"' if line.dashed else 'stroke-width="2" stroke-linejoin="round"'
    return f'<polyline points="{points}" fill="none" stroke="{line.colour}" {manner}/>'


def _legend(baseline: float, lines: Sequence[Line]) -> list[str]:
    """To the right, above the panel."""
    parts: list[str] = []
    x = _LEFT + _plot_width()
    for line in reversed(lines):
        # Half an em a letter, on the generous side: there is nobody to ask how wide a text is.
        x -= 7.2 * len(line.label) + 10
        parts.append(_text(x, baseline, line.label))
        parts.append(f'<path d="M{x - 26:.1f} {baseline - 4}h20" stroke="{line.colour}" stroke-width="3"/>')
        x -= 34
    return parts


def _ticks(most: float, about: int) -> list[float]:
    """Round numbers from zero to `most`, about as many."""
    power = 10.0 ** (len(str(int(most / about))) - 1) if most >= about else 0.1
    step = next((power * each for each in _STEPS if most / (power * each) <= about), power * 10)
    return [number * step for number in range(int(most / step) + 1)]


def _text(x: float, y: float, text: str, **manner: str | int) -> str:
    """`manner`: anchor, colour, size, weight."""
    names = {"anchor": "text-anchor", "colour": "fill", "size": "font-size", "weight": "font-weight"}
    attributes = "".join(f' {names[name]}="{value}"' for name, value in ({"colour": _INK} | manner).items())
    return f'<text x="{x:.1f}" y="{y:.1f}"{attributes}>{escape(text)}</text>'


def _plot_width() -> float:
    return _WIDTH - _LEFT - _RIGHT
