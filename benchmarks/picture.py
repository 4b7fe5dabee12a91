"""A bar chart as SVG, written by hand: readable on light and dark pages."""

from collections.abc import Mapping
from html import escape

WIDTH, LABEL_WIDTH, VALUE_WIDTH = 760, 250, 70
BAR, GAP, TOP = 22, 12, 66
STYLE = """
.back { fill: #ffffff } text { font: 13px sans-serif; fill: #1f2937 } .title { font-weight: bold }
.bar { fill: #94a3b8 } .ours { fill: #2563eb } .line { stroke: #64748b; stroke-dasharray: 4 3 }
@media (prefers-color-scheme: dark) {
  .back { fill: #111827 } text { fill: #e5e7eb } .bar { fill: #64748b } .ours { fill: #60a5fa }
}
""".strip()


def draw(title: str, subtitle: str, ratios: Mapping[str, float]) -> str:
    """Ratios to the bare loop, the fastest first; a line marks the bare loop itself."""
    ordered = sorted(ratios.items(), key=lambda item: -item[1])
    room = WIDTH - LABEL_WIDTH - VALUE_WIDTH
    scale = room / max([1.0, *ratios.values()])
    height = TOP + len(ordered) * (BAR + GAP) + GAP
    mark = LABEL_WIDTH + scale
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="back" width="{WIDTH}" height="{height}"/>',
        f'<text class="title" x="16" y="26">{escape(title)}</text>',
        f'<text x="16" y="46">{escape(subtitle)}</text>',
        *(bar(n, label, ratio, scale) for n, (label, ratio) in enumerate(ordered)),
        f'<line class="line" x1="{mark:.1f}" x2="{mark:.1f}" y1="{TOP - 8}" y2="{height - 8}"/>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def bar(number: int, label: str, ratio: float, scale: float) -> str:
    """One contender: its name, a bar, its ratio."""
    top = TOP + number * (BAR + GAP)
    kind = "ours" if label.startswith("Recordmill") else "bar"
    width, baseline = max(ratio * scale, 1), top + BAR - 6
    return (
        f'<text x="{LABEL_WIDTH - 10}" y="{baseline}" text-anchor="end">{escape(label)}</text>'
        f'<rect class="{kind}" x="{LABEL_WIDTH}" y="{top}" width="{width:.1f}" height="{BAR}"/>'
        f'<text x="{LABEL_WIDTH + width + 8:.1f}" y="{baseline}">{ratio:.3g}</text>'
    )
