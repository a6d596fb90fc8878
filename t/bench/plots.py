"""Line charts as SVG: a few panels side by side, each with the lines of a few targets."""

import dataclasses
import html
import math
import statistics

WIDTH, HEIGHT = 300, 240  # of a panel's axes
LEFT, TOP, BOTTOM, GAP = 64, 34, 58, 76
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#666666")  # told apart by the colour-blind too


@dataclasses.dataclass
class Line:
    name: str
    points: list  # of (x, the values of all rounds)
    dashed: bool = False
    colour: int = 0


@dataclasses.dataclass
class Panel:
    title: str
    lines: list
    x: str = "connections"
    y: str = "requests/s"
    logarithmic: bool = False


def short(value):
    for limit, unit in ((1e6, " M"), (1e3, " k")):
        if value >= limit:
            return f"{value / limit:g}{unit}"
    return f"{value:g}"


def linear_ticks(high):
    step = 10 ** math.floor(math.log10(high))
    step *= next(part for part in (0.2, 0.5, 1, 2, 5, 10) if high / (step * part) <= 6)
    return [step * i for i in range(math.ceil(high / step) + 1)]


def logarithmic_ticks(low, high):
    return [10.0**i for i in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]


class Axes:
    """Places values of a panel; x is logarithmic, with a mark at each x that was measured."""

    def __init__(self, panel):
        values = [value for line in panel.lines for _, values in line.points for value in values]
        self.xs = sorted({x for line in panel.lines for x, _ in line.points})
        self.logarithmic = panel.logarithmic
        self.ticks = logarithmic_ticks(max(min(values), 1e-3), max(values)) if self.logarithmic else linear_ticks(max(values))

    def x(self, value):
        low, high = math.log(self.xs[0]), math.log(self.xs[-1])
        return WIDTH * (math.log(value) - low) / ((high - low) or 1)

    def y(self, value):
        low, high = self.ticks[0], self.ticks[-1]
        if self.logarithmic:
            low, high, value = math.log(low), math.log(high), math.log(max(value, low))
        return HEIGHT - HEIGHT * (value - low) / ((high - low) or 1)


def text(x, y, words, anchor="middle", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{html.escape(words)}</text>'


def draw_axes(panel, axes):
    yield text(WIDTH / 2, -14, panel.title, more='font-weight="bold"')
    for tick in axes.ticks:
        y = axes.y(tick)
        yield f'<path d="M0 {y:.1f}H{WIDTH}" stroke="#ddd"/>' + text(-6, y + 4, short(tick), "end")
    for x in axes.xs:
        yield f'<path d="M{axes.x(x):.1f} {HEIGHT}v5" stroke="#333"/>' + text(axes.x(x), HEIGHT + 18, short(x))
    yield f'<path d="M0 0V{HEIGHT}H{WIDTH}" fill="none" stroke="#333"/>'
    yield text(WIDTH / 2, HEIGHT + 34, panel.x)
    yield text(0, 0, panel.y, more=f'transform="translate(-46 {HEIGHT / 2}) rotate(-90)"')


def draw_line(line, axes):
    """The medians, joined, and at each the span from the lowest to the highest."""
    colour = COLOURS[line.colour % len(COLOURS)]
    places = [(axes.x(x), axes.y(statistics.median(values)), values) for x, values in sorted(line.points)]
    dashes = ' stroke-dasharray="5 4"' if line.dashed else ""
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in places)
    yield f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>'
    for x, y, values in places:
        yield f'<path d="M{x:.1f} {axes.y(min(values)):.1f}V{axes.y(max(values)):.1f}" stroke="{colour}"/>'
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'


def draw_legend(lines):
    for i, line in enumerate(lines):
        x, y = LEFT + (i % 3) * 260, 14 + 18 * (i // 3)
        dashes = ' stroke-dasharray="5 4"' if line.dashed else ""
        colour = COLOURS[line.colour % len(COLOURS)]
        yield f'<path d="M{x} {y - 4}h24" stroke="{colour}" stroke-width="2"{dashes}/>' + text(x + 30, y, line.name, "start")


def svg(panels):
    panels = [panel for panel in panels if any(line.points for line in panel.lines)]
    known = {line.name: line for panel in panels for line in panel.lines}
    legend = 18 * -(-len(known) // 3) + 8
    width = LEFT + len(panels) * (WIDTH + GAP)
    height = legend + TOP + HEIGHT + BOTTOM
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"']
    out += ['font-family="sans-serif" font-size="12">', '<rect width="100%" height="100%" fill="white"/>']
    out += draw_legend(known.values())
    for i, panel in enumerate(panels):
        axes = Axes(panel)
        out.append(f'<g transform="translate({LEFT + i * (WIDTH + GAP)} {legend + TOP})">')
        out += draw_axes(panel, axes)
        for line in panel.lines:
            out += draw_line(line, axes) if line.points else []
        out.append("</g>")
    return "\n".join([*out, "</svg>"]) + "\n"
