"""The courses as one SVG: a column for each load, a row for each quantity."""
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 300, 130  # of one panel
LEFT, TOP, GAP_X, GAP_Y = 62, 46, 62, 34
ROWS = (  # title, whether all columns have one scale, and the series
    ("clients", True, (("wanted", "#999999", "wanted"), ("connections", "#1f6fb2", "connected"))),
    ("pods", True, (("pods", "#2a8a4a", "with those that drain"),)),
    ("fullest node", True, (("fullest", "#b25a1f", "connections"), ("limit", "#999999", "limits.connections"))),
    ("clients/s", False, (("reconnects", "#7a3fb2", "sent elsewhere"), ("refused", "#c0392b", "refused, and again"))),
)


def nice(value):
    """The next 1, 2 or 5 times a power of ten that is not less."""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if step * factor >= value:
                return step * factor
        step *= 10


def short(value):
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


def text(x, y, content, anchor="start", size=10, weight="normal", fill="#333333"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" '
            f'fill="{fill}">{escape(content)}</text>')


def panel(x, y, course, series, top):
    last = course[-1]["minute"]
    out = [f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#cccccc"/>']
    for share in (0, 0.5, 1):
        height = y + HEIGHT * (1 - share)
        out.append(f'<line x1="{x}" y1="{height:.1f}" x2="{x + WIDTH}" y2="{height:.1f}" stroke="#eeeeee"/>')
        out.append(text(x - 5, height + 3, short(top * share), "end"))
    for name, colour, _ in series:
        points = " ".join(f"{x + WIDTH * point['minute'] / last:.1f},{y + HEIGHT * (1 - min(point[name] / top, 1)):.1f}"
                          for point in course)
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
    for minute in range(0, int(last) + 1, nice(math.ceil(last / 5))):
        out.append(text(x + WIDTH * minute / last, y + HEIGHT + 12, f"{minute} min" if minute else "0", "middle"))
    return out


def top_of(courses, series):
    return nice(max(point[name] for course in courses for point in course for name, _, _ in series) or 1)


def plot(courses, limit):
    for course in courses.values():
        for point in course:
            point["limit"] = limit
    width = LEFT + len(courses) * (WIDTH + GAP_X)
    height = TOP + len(ROWS) * (HEIGHT + GAP_Y) + 6
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
           'font-family="sans-serif">', f'<rect width="{width}" height="{height}" fill="#ffffff"/>']
    for row, (title, has_one_scale, series) in enumerate(ROWS):
        y = TOP + row * (HEIGHT + GAP_Y)
        for column, (load, course) in enumerate(courses.items()):
            x = LEFT + column * (WIDTH + GAP_X)
            top = top_of(courses.values() if has_one_scale else [course], series)
            if row == 0:
                out.append(text(x, 18, load, size=13, weight="bold"))
            at = x
            for name, colour, label in series:
                label = f"{title}: {label}" if name == series[0][0] else label
                out.append(text(at, y - 5, label, fill=colour))
                at += 6.0 * len(label) + 14
            out += panel(x, y, course, series, top)
    return "\n".join([*out, "</svg>"]) + "\n"
