"""What the sites released for one plan, as the data of one table: per site, pooled, and what is missing."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Self

from pydantic import TypeAdapter

from twinpane.errors import Refused, TwinpaneError
from twinpane_broker import AT_FIRST, LeftOut, Plan, Pooled, Refusal, Release, arranged, cost_words, left_out, pool

_ANSWER: TypeAdapter[Release | Refusal] = TypeAdapter(Release | Refusal)

ABSENT = {
    "offline": "offline",
    "late": "did not answer in time: it is busy, or its steward froze it, and nothing leaves until two stewards agree; ask again later, "
    "or ask the steward",
    "refused": "has not accepted this project, or not you as its member, or has suspended it",
    "unsigned": "its answer was not signed with its key, so it was dropped",
}
"""Why a site is not in the table, in words."""


class View(StrEnum):
    """How a table is shown and drawn."""

    table = "table"  # one line per cell; bars
    crosstab = "crosstab"  # a grid of two dimensions; a heat map
    histogram = "histogram"  # one line per bin; bars along a measured axis
    describe = "describe"  # one line per group and site; boxes from the 5th to the 95th percentile
    correlation = "correlation"  # one line per cell; tiles


@dataclass(eq=False)
class Table:
    """Released numbers: per site and pooled. Sites come in the project's order.

    ``releases`` maps a site to its signed ``Release``, ``refusals`` to its ``Refusal``, ``missing`` to why nothing came, ``titles`` to
    the site's own name. ``view`` is how the table is shown and drawn; only the view can change.
    """

    plan: Plan
    releases: dict[str, Release]
    refusals: dict[str, Refusal]
    missing: dict[str, str]
    cells: Pooled
    titles: dict[str, str]
    view: View
    left_out: LeftOut | None = None
    """What LIMIT and HAVING left out of the pooled table."""

    def title(self, site: str) -> str:
        """A site's title, or its id where it has none."""
        return self.titles.get(site, site)

    def seen_as(self, view: View | str) -> Self:
        """Show and draw this table in that view from now on: ``table.seen_as("crosstab")``. Raises TwinpaneError where it cannot be."""
        if view not in tuple(View):
            raise TwinpaneError(f"there is no view {view!r}; there are {', '.join(View)}", "view")
        needs = _lacking(self.plan, View(view))
        if needs:
            raise TwinpaneError(f"a {view} needs {needs}; this table can be seen as a table at any time", "view")
        self.view = View(view)
        return self

    @classmethod
    def of(cls, plan: Plan, reply: dict[str, Any]) -> Self:
        """The table of the host's reply to ``query``; raises Refused or TwinpaneError when no site released anything."""
        titles = dict(reply.get("titles", ()))
        place = {site: number for number, site in enumerate(titles)}

        def ordered(by_site: dict[str, Any]) -> list[tuple[str, Any]]:
            return sorted(by_site.items(), key=lambda item: (place.get(item[0], len(place)), item[0]))

        answers = {site: _ANSWER.validate_python(answer) for site, answer in ordered(reply.get("sites", {}))}
        missing = {site: ABSENT.get(why, why) for site, why in ordered(reply.get("missing", {}))}
        releases = {site: answer for site, answer in answers.items() if isinstance(answer, Release)}
        refusals = {site: answer for site, answer in answers.items() if isinstance(answer, Refusal)}
        cells = pool(answers, missing, plan)
        if cells is None:
            raise _nothing(refusals, missing, titles)
        rows = arranged(cells.rows, plan)
        gone = left_out(cells.rows, rows)
        return cls(plan, releases, refusals, missing, replace(cells, rows=rows), titles, View.table, gone)


def _lacking(plan: Plan, view: View) -> str:
    """What a table of this plan lacks for that view; empty where it lacks nothing."""
    columns = {measure.column for measure in plan.measures}
    match view:
        case View.crosstab if len(plan.group_by) != 2 or len(plan.measures) != 1:
            return "two groups and one measure"
        case View.histogram if not plan.group_by or plan.group_by[-1].width is None:
            return "bins of a measure as its last group, as in group_by(age=10)"
        case View.describe if len(columns) != 1 or None in columns:
            return "measures of one column"
        case View.correlation if any(measure.other is None for measure in plan.measures):
            return "correlations"
    return ""


def _nothing(refusals: dict[str, Refusal], missing: dict[str, str], titles: dict[str, str]) -> TwinpaneError:
    """What to raise when no site released anything: one reason where all give the same, otherwise each site's."""
    refusals = {titles.get(site, site): refusal for site, refusal in refusals.items()}
    absent = "; ".join(f"{titles.get(site, site)}: {why}" for site, why in missing.items())
    if not refusals:
        return TwinpaneError(f"no site answered ({absent or 'this project has none'}). Ask again when one is connected.", "no_answer")
    reasons = {refusal.reason for refusal in refusals.values()}
    codes = {str(refusal.code) for refusal in refusals.values()}
    if len(reasons) == 1:
        told = f"{reasons.pop()} (all sites that answered: {', '.join(refusals)})"
        told += "".join(f" {AT_FIRST}, at {site}: {used}." for site, refusal in refusals.items() if (used := cost_words(refusal.account)))
    else:
        told = "no site released an answer. " + " ".join(f"{site}: {refusal.words}" for site, refusal in refusals.items())
    return Refused(told + (f" No answer from {absent}." if absent else ""), codes.pop() if len(codes) == 1 else "refused")
