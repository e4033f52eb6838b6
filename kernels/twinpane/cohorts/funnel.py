"""Draw an attrition as a funnel of bars, from the releases alone."""

from typing import Any

from twinpane.plots.axes import COLOURS, HATCH, figure, footnote

from .step_counts import StepCounts

LETTERS = 46
"""Characters of a step's name on the axis, at most."""


def funnel(counts: StepCounts, ax: Any) -> Any:
    """See ``Attrition.plot``. A withheld step is hatched, as wide as the last step without a missing part."""
    steps = range(len(counts.steps))
    if ax is None:
        ax = figure(7.2, 0.45 * len(counts.steps) + 0.9)
    widest = max((n for place in steps if (n := counts.persons(place)) is not None), default=1)
    last = widest
    for place in steps:
        persons, lacking = counts.persons(place), counts.lacking(place)
        if lacking:
            ax.barh(place, last, left=-last / 2, height=0.7, **HATCH)
        if persons is None:
            continue
        last = last if lacking else persons
        ax.barh(place, persons, left=-persons / 2, height=0.7, color=COLOURS[0])
        share = f" ({100 * persons / widest:.0f} %)" if widest and place and not lacking else ""
        inside = persons > widest * 0.25
        beside = max(persons, last) / 2 + widest * 0.015
        ax.text(
            0 if inside else beside, place, f"{counts.shown(place)}{'*' if lacking else ''}{share}",
            va="center", ha="center" if inside else "left", color="white" if inside else "black", fontsize=9,
        )  # fmt: skip
    ax.set_yticks(list(steps), [_short(step.name) for step in counts.steps])
    ax.invert_yaxis()
    ax.set_xlim(-widest * 0.52, widest * 0.52)
    ax.set_xticks([])
    ax.spines[["top", "right", "bottom", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.set_title(counts.name, fontsize=10)
    notes = ["hatched: withheld by the sites' rules"] if any(counts.lacking(place) for place in steps) else []
    if any(counts.lacking(place) and counts.persons(place) is not None for place in steps):
        notes.append("*: without the part of a site that withheld it")
    footnote(ax.figure, [*notes, counts.why_about])
    return ax


def _short(name: str) -> str:
    return name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"
