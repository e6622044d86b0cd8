"""The plot of growth.py: one panel per figure, one curve per series, both axes logarithmic, so that what grows in
proportion is a line that rises like the axis's diagonal, and what stays is level."""
import math
from xml.sax.saxutils import escape

PANELS = (
    ("server CPU per delivery, us", "server_us_per_delivery", 1),
    ("memory per connection, bytes", "bytes_per_connection", 1),
    ("latency p99, ms", "latency_p99_us", 1000),
)
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd")
WIDTH, HEIGHT, LEFT, TOP, GAP = 260, 220, 60, 40, 80


def decades(values):
    """The whole decades around them."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def text(x, y, words, anchor="middle"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def line(x1, y1, x2, y2):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'


def panel(left, title, curves):
    """`curves`: [[(x, y)]]"""
    points = [point for curve in curves for point in curve]
    (x_low, x_high), (y_low, y_high) = decades([x for x, _ in points]), decades([y for _, y in points])
    place_x = lambda x: left + WIDTH * (math.log10(x) - x_low) / (x_high - x_low)
    place_y = lambda y: TOP + HEIGHT * (y_high - math.log10(y)) / (y_high - y_low)
    parts = [text(left + WIDTH / 2, TOP - 14, title)]
    for power in range(x_low, x_high + 1):
        x = place_x(10**power)
        parts += [line(x, TOP, x, TOP + HEIGHT), text(x, TOP + HEIGHT + 16, f"{10**power:,}")]
    for power in range(y_low, y_high + 1):
        y = place_y(10**power)
        parts += [line(left, y, left + WIDTH, y), text(left - 6, y + 4, f"{10**power:,}", "end")]
    for colour, curve in zip(COLOURS, curves):
        path = " ".join(f"{place_x(x):.1f},{place_y(y):.1f}" for x, y in curve)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
    return parts


def draw(series):
    """SVG of {title: [(value, figures)]}."""
    width, height = len(PANELS) * (WIDTH + GAP) + LEFT, TOP + HEIGHT + 40 + 18 * len(series)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="12">']
    parts.append(f'<rect width="{width}" height="{height}" fill="white"/>')
    for number, (title, name, unit) in enumerate(PANELS if series else ()):
        # What is too little to be seen has no place on such an axis.
        curves = [[(value, max(found[name] / unit, 0.01)) for value, found in points] for points in series.values()]
        parts += panel(LEFT + number * (WIDTH + GAP), title, curves)
    for number, (colour, title) in enumerate(zip(COLOURS, series)):
        y = TOP + HEIGHT + 44 + 18 * number
        parts.append(f'<line x1="{LEFT}" y1="{y - 4}" x2="{LEFT + 24}" y2="{y - 4}" stroke="{colour}" stroke-width="2"/>')
        parts.append(text(LEFT + 32, y, title, "start"))
    return "\n".join([*parts, "</svg>", ""])
