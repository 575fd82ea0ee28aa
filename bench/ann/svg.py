"""Draws recall against queries a second as SVG: recall on a scale that gives 0.9, 0.99 and 0.999 equal room, speed on a
logarithmic one, names at the ends of the lines."""
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 900, 560
LEFT, RIGHT, TOP, BOTTOM = 70, 200, 46, 52
RECALLS = (0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998)
COLOURS = ("#d62728", "#1f77b4", "#2ca02c", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf", "#ff7f0e",
           "#393b79", "#637939", "#8c6d31", "#843c39", "#7b4173", "#3182bd", "#31a354", "#756bb1")
NAME_HEIGHT = 13


def plot(title, curves):
    """`curves`: [(name, [(recall, qps)], whether it is drawn strongly)]; points outside 0.8 to 0.998 are left out."""
    shown = [(name, [p for p in points if RECALLS[0] <= p[0] <= RECALLS[-1]], strong) for name, points, strong in curves]
    speeds = [qps for _, points, _ in shown for _, qps in points]
    if not speeds:
        return None
    low, high = _decades(min(speeds), max(speeds))
    inner_width, inner_height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(recall):
        first, last = -math.log10(1 - RECALLS[0]), -math.log10(1 - RECALLS[-1])
        return LEFT + inner_width * (-math.log10(1 - recall) - first) / (last - first)

    def y(qps):
        return TOP + inner_height * (1 - (math.log10(qps) - math.log10(low)) / (math.log10(high) - math.log10(low)))

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>', f'<text x="{LEFT}" y="26" font-size="15">{escape(title)}</text>']
    for recall in RECALLS:
        out.append(f'<path d="M{x(recall):.1f} {TOP}V{TOP + inner_height}" stroke="#ddd"/>')
        out.append(f'<text x="{x(recall):.1f}" y="{TOP + inner_height + 18}" text-anchor="middle">{recall:g}</text>')
    for qps in _ticks(low, high):
        out.append(f'<path d="M{LEFT} {y(qps):.1f}H{LEFT + inner_width}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y(qps) + 4:.1f}" text-anchor="end">{qps:,.0f}</text>')
    out.append(f'<text x="{LEFT + inner_width / 2}" y="{HEIGHT - 12}" text-anchor="middle">recall@10</text>')
    out.append(f'<text x="18" y="{TOP + inner_height / 2}" text-anchor="middle" transform="rotate(-90 18 {TOP + inner_height / 2})">queries a second, one thread</text>')
    names = []
    for i, (name, points, strong) in enumerate(shown):
        if not points:
            continue
        colour = COLOURS[i % len(COLOURS)]
        line = " ".join(f"{x(r):.1f},{y(q):.1f}" for r, q in points)
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="{3 if strong else 1.5}"/>')
        out += [f'<circle cx="{x(r):.1f}" cy="{y(q):.1f}" r="2.2" fill="{colour}"/>' for r, q in points]
        names.append((y(points[-1][1]), name, colour, strong))
    for place, (_, name, colour, strong) in zip(spread([n[0] for n in sorted(names)], NAME_HEIGHT, TOP, TOP + inner_height), sorted(names)):
        weight = ' font-weight="bold"' if strong else ""
        out.append(f'<text x="{LEFT + inner_width + 8}" y="{place + 4:.1f}" fill="{colour}"{weight}>{escape(name)}</text>')
    return "\n".join([*out, "</svg>", ""])


def spread(places, gap, low, high):
    """Sorted places moved as little as a simple pass can so that neighbours are `gap` apart and none is above `high`."""
    out = []
    for place in places:
        out.append(max(place, out[-1] + gap if out else low))
    limit = high
    for i in reversed(range(len(out))):
        out[i] = min(out[i], limit)
        limit = out[i] - gap
    return out


def _decades(least, most):
    low = 10 ** math.floor(math.log10(least))
    high = 10 ** math.ceil(math.log10(most))
    return (low, high) if high > low else (low, low * 10)


def _ticks(low, high):
    value = low
    while value <= high * 1.001:
        for step in (1, 2, 5):
            if value * step <= high * 1.001:
                yield value * step
        value *= 10
