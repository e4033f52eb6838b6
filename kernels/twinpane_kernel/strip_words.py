"""The words of a strip about a site: a symbol, a few words, and a sentence that explains them."""

import math
from dataclasses import dataclass

from .cell_report import CellReport, RevealReport, SiteReport, State

REAL = "Every site that runs your cells gave exactly this: what you see is what the real rows give there."
SYNTHETIC = "Made from the synthetic twin, not from real rows. What the real rows give stays at the sites."
RELEASED = "Made from the real rows of this site; its reviewers let it out."
MOVED = "A widget of this cell was moved since: what it shows now comes from the synthetic twin."


@dataclass(frozen=True)
class Words:
    """One site's chip: ``kind`` chooses the tint, never alone."""

    symbol: str
    text: str
    title: str
    kind: str


def words(site: SiteReport, released: bool = False) -> Words:
    """The chip of a site; ``released`` when reviewers let an item of this cell out there."""
    if released:
        return Words("✓", "released", "Reviewers let items of this cell out; they are shown below.", "good")
    match site.state:
        case State.queued if not site.online:
            return Words("‖", "offline, queued", "The site is offline. It gets this cell when it returns, once and in order.", "wait")
        case State.queued:
            return Words("⟳", "queued", "On its way to the site, in order.", "wait")
        case State.running if not site.online:
            return Words("‖", "offline, running", "The site has the cell, but its link is down. Its verdict comes when it returns.", "wait")
        case State.running:
            return Words("⟳", "running", "The site has the cell and has not told its verdict yet.", "wait")
        case State.same:
            return Words("✓", "same", "The real rows gave exactly what you see.", "good")
        case State.differs:
            return Words("≠", "differs, held", "The real rows gave something else. It is held at the site.", "held")
        case State.failed:
            what = f": {site.failure}" if site.failure else ""
            where = f" in line {site.line}" if site.line is not None else ""
            return Words("✕", f"failed{what}{where}", "The cell failed on the real rows. More than class and line is not told.", "bad")
        case State.spent:
            return Words("◌", "meter spent", "No verdict until tomorrow, or until the steward grants more.", "held")
        case State.refused:
            return Words(
                "⊘",
                "refused",
                "The site has not accepted this project, or not you as its member, or has suspended it; or it ended this session for a "
                "newer one of yours. Restart the kernel; if that does not help, ask its steward.",
                "bad",
            )
        case State.rehearsal:
            return Words("▷", "rehearsal", "This cell ran on the twin only; no site got it.", "wait")


def clean(text: str, most: int = 60) -> str:
    """Text that others wrote, shortened if it is long, without control characters or changes of text direction."""
    short = text if len(text) <= most else text[: most - 1] + "…"
    return short if short.isprintable() else "".join(c if c.isprintable() else "�" for c in short)


def title_of(report: CellReport, site: str) -> str:
    """The site's title, its id where it has none."""
    return clean(next((s.title for s in report.sites if s.site == site and s.title), site))


def number(value: float, digits: int) -> str:
    """A revealed number with exactly its significant digits: ``0.812``, ``0.800``, ``1,230,000``, ``1.2e-09``."""
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if not -5 < exponent < 12:
        return f"{value:.{digits - 1}e}"
    return f"{value:,.{max(0, digits - 1 - exponent)}f}"


def revealed(report: CellReport, reveal: RevealReport, site: SiteReport) -> tuple[str, str]:
    """A reveal's value at a site as it stands now, and a sentence where it is not a number."""
    if site.site in reveal.values:
        value = reveal.values[site.site]
        if value is None:
            return "not a number", "The real rows gave a missing value, an infinity, or something that is no number."
        return str(value) if isinstance(value, bool) else number(value, reveal.digits), ""
    if site.state is State.failed:
        return "–", "The cell failed at this site."
    if site.state is State.spent or site.site in reveal.spent:
        return "–", "The meter is spent; the number does not leave."
    if site.state is State.refused:
        return "–", "The site has not accepted this project, or not you as its member, or has suspended it."
    return "…", "Not arrived yet."


def bits(value: float) -> str:
    """Bits left, rounded down."""
    return f"{math.floor(max(0.0, value)):,}"


def meter(report: CellReport) -> str:
    """``meter: 1,012 of 1,024 bits left today at Site A · 990 of 1,024 at Site B``; empty when nothing is known."""
    parts: list[str] = []
    order = {site.site: place for place, site in enumerate(report.sites)}
    for site, left in sorted(report.left.items(), key=lambda item: order.get(item[0], len(order))):
        # Who was granted more today has more left than a day's: of how many is not known here.
        of = f" of {bits(report.day[site])}" if left <= report.day.get(site, 0.0) else ""
        parts.append(f"{bits(left)}{of}{'' if parts else ' bits left today'} at {title_of(report, site)}")
    return "meter: " + " · ".join(parts) if parts else ""


def meter_matters(report: CellReport) -> bool:
    """Whether the meter belongs in sight: the cell paid for a reveal, a site is spent, or less than a fifth of a day is left."""
    low = any(left < report.day.get(site, 1024.0) / 5 for site, left in report.left.items())
    return bool(report.left) and (bool(report.reveals) or low or any(s.state is State.spent for s in report.sites))
