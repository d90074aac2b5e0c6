"""Bars of ratios for `make bench`, as SVG."""

import math
from html import escape

from bench_rows import COLUMNS, ROWS

COLOURS = ["#555555", "#c44e52", "#dd9a52", "#9ecae1", "#2171b5", "#a1d99b", "#238b45"]
# What a row's bars are ratios to: the first of these that has a figure.
REFERENCES = ["shim", "microvm", "xen", "nested-resident", "nested-forward", "kvm-forward"]

LEFT, WIDTH, BAR, GAP = 250, 560, 11, 12
OCTAVES = 6  # each way: 64 times
TOP = 92


def ratios(data, row, better):
    """{column: how many times as slow as the reference}, and the reference."""
    medians = {c: v["median"] for c, v in data["figures"].get(row, {}).items()}
    reference = next((c for c in REFERENCES if medians.get(c)), None)
    if not reference:
        return {}, None
    base = medians[reference]
    return {c: (m / base if better == "less" else base / m) for c, m in medians.items() if m}, reference


def text(x, y, s, extra=""):
    return f'<text x="{x:.0f}" y="{y:.0f}" {extra}>{escape(s)}</text>'


def x_of(ratio):
    octaves = max(-OCTAVES, min(OCTAVES, math.log2(ratio)))
    return LEFT + WIDTH / 2 * (1 + octaves / OCTAVES)


def draw(data):
    titles = {c: f"{t} ({p})" for c, t, p in COLUMNS}
    out, y = [], TOP
    for row, title, _, better in ROWS:
        by, reference = ratios(data, row, better)
        if not by:
            continue
        out.append(text(8, y + 10, title, 'font-weight="bold"'))
        out.append(text(8, y + 23, "to " + titles[reference], 'fill="#666"'))
        for (c, *_), colour in zip(COLUMNS, COLOURS):
            if c not in by:
                continue
            a, b = sorted((x_of(1), x_of(by[c])))
            out.append(f'<rect x="{a:.1f}" y="{y}" width="{max(b - a, 1.5):.1f}" height="{BAR - 2}" fill="{colour}"/>')
            out.append(text(LEFT + WIDTH + 8, y + 9, f"{by[c]:.2f}", 'fill="#333"'))
            y += BAR
        y = max(y, TOP) + GAP + (BAR if len(by) < 2 else 0)
    lines = []
    for octave in range(-OCTAVES, OCTAVES + 1, 2):
        x = x_of(2.0**octave)
        lines.append(f'<line x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{y}" stroke="{"#000" if not octave else "#ddd"}"/>')
        lines.append(text(x, TOP - 12, f"{2 ** octave if octave >= 0 else '1/' + str(2 ** -octave)}", 'text-anchor="middle"'))
    legend = [text(8, 18, "Time taken, or memory, as a ratio (logarithmic): left is better. Columns of one place compare with each other.", 'font-size="14"')]
    for i, ((c, *_), colour) in enumerate(zip(COLUMNS, COLOURS)):
        x, ly = 8 + i % 4 * 215, 30 + i // 4 * 16
        legend.append(f'<rect x="{x}" y="{ly}" width="10" height="10" fill="{colour}"/>')
        legend.append(text(x + 14, ly + 9, titles[c]))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 70}" height="{y + 10}" '
            'font-family="sans-serif" font-size="11">\n<rect width="100%" height="100%" fill="#fff"/>\n'
            + "\n".join(legend + lines + out) + "\n</svg>\n")
