"""Attrition: how many persons each step of a cohort leaves, as a table and a funnel, made from releases alone.

Each step is one question. A site withholds the number of a step that leaves out (or keeps) too few persons. The other steps are shown
all the same.
"""

from html import escape
from typing import Any

from twinpane.ask.ask_sites import ask
from twinpane.ask.plan_part import made
from twinpane.errors import Refused, TwinpaneError
from twinpane.style import STYLE
from twinpane_broker import Cohort, Persons, Plan

from .cohort_words import step_name
from .funnel import funnel
from .step_counts import BY_DATA, WITHHELD, Counted, StepCounts

ABSENT = "–"
POOLED = "pooled"
PARTLY = "*"


class Attrition(StepCounts):
    """The steps of a cohort with their persons, per site and pooled. ``frame()`` gives pandas, ``plot()`` a funnel."""

    def frame(self) -> Any:
        """A row per step and site, then the pooled one: ``step``, ``name``, ``site``, ``persons`` and so on.

        Withheld ones are NA. A pooled line is ``partial`` if it lacks a site that withheld the step or did not answer. A line is
        ``about`` if its persons, or those of the step before, are those of a group that the site released before.
        """
        import pandas as pd

        rows = []
        for place, step in enumerate(self.steps):
            for site in self.sites:
                rows.append([place, step.name, site, step.at(site), self.left_out(place, site), False, self._is_about(place, site)])
            partial = self.lacking(place) or bool(self.silent)
            rows.append([place, step.name, POOLED, self.persons(place), self.left_out(place), partial, self._is_about(place)])
        made_ = pd.DataFrame(rows, columns=["step", "name", "site", "persons", "left_out", "partial", "about"])
        return made_.astype({"persons": "Int64", "left_out": "Int64"})

    def plot(self, ax: Any = None) -> Any:
        """Draw the funnel: one bar per step, as wide as its number of persons (pooled, or the only site's). Hatch withheld steps."""
        return funnel(self, ax)

    # ------------------------------------------------------------ words

    def lines(self) -> tuple[list[str], list[list[str]]]:
        """The heading and the body, as texts."""
        several = len(self.sites) > 1
        head = ["step", *self.sites.values(), *([POOLED] if several else []), "left out"]
        body = []
        for place, step in enumerate(self.steps):
            cells = [self.shown(place, site) or (ABSENT if step.absent(site) else WITHHELD) for site in self.sites]
            if several:
                shown = self.shown(place)
                cells.append(shown + (PARTLY if self.lacking(place) else "") if shown else WITHHELD)
            body.append([step.name, *cells, self.left_out_shown(place)])
        return head, body

    def _is_about(self, place: int, site: str | None = None) -> bool:
        return self.about(place, site) or self.left_out_about(place, site)

    def captions(self) -> list[str]:
        """What a reader must know about the numbers."""
        lines = []
        if any(step.at(site) is None and not step.absent(site) for step in self.steps for site in self.sites) or not self.sites:
            lines.append(
                "withheld: the step leaves out, or leaves over, too few persons to be told without telling of them. "
                "The steps after it are counted with it applied."
            )
        if any(self.persons(place) is not None and self.lacking(place) for place in range(len(self.steps))):
            lines.append(f"{PARTLY} without the part of a site that withheld it.")
        if note := self.why_about:
            lines.append(f"{note}.")
        for site, title in self.sites.items():
            why = next(filter(None, (step.absent(site) for step in self.steps)), "")
            if why:
                lines.append(f"{ABSENT} {title}: {why}.")
        if any(step.code == "capped" for step in self.steps):
            lines.append("Some steps were not counted: the sites withhold only so many answers a day. Ask again tomorrow.")
        if self.silent:
            lines.append(f"Not in this table: {'; '.join(f'{title} ({why})' for title, why in self.silent.items())}.")
        first = next((step.table for step in self.steps if step.table is not None), None)
        policies = dict.fromkeys(r.policy.partition("/")[0] for r in first.releases.values()) if first is not None else {}
        lines.append(f"Numbers are rounded by the sites' rules ({', '.join(policies) or 'none released'}); “left out” is their difference.")
        return lines

    def __repr__(self) -> str:
        """The table as text."""
        head, body = self.lines()
        widths = [max(len(line[i]) for line in (head, *body)) for i in range(len(head))]
        shown = [
            "  ".join(text.ljust(w) if i == 0 else text.rjust(w) for i, (text, w) in enumerate(zip(line, widths, strict=True))).rstrip()
            for line in (head, *body)
        ]
        return "\n".join([*([f"Attrition of {self.name}"] if self.name else []), *shown, "", *self.captions()])

    def _repr_html_(self) -> str:
        head, body = self.lines()
        top = f'<th class="g" scope="col">{head[0]}</th>' + "".join(f'<th scope="col">{escape(text)}</th>' for text in head[1:])
        rows = "".join(
            f'<tr><th class="g" scope="row">{escape(line[0])}</th>'
            + "".join(f'<td{_suppressed(text)}>{escape(text)}</td>' for text in line[1:]) + "</tr>"
            for line in body
        )  # fmt: skip
        title = f"<p><b>Attrition of {escape(self.name)}</b></p>" if self.name else ""
        notes = "".join(f"<p>{escape(line)}</p>" for line in self.captions())
        return f'{STYLE}<div class="twp-t">{title}<table><thead><tr>{top}</tr></thead><tbody>{rows}</tbody></table>{notes}</div>'


def _suppressed(text: str) -> str:
    return ' class="s"' if text in (WITHHELD, ABSENT) else ""


def count_steps(cohort: Cohort, table: str) -> Attrition:
    """Count every step of a cohort; raises Refused where the sites cannot count it for a reason other than their data."""
    names = ["entry" if cohort.entry is not None else "everybody", *(step_name(step) for step in cohort.steps)]
    steps = []
    for place, name in enumerate(names):
        plan = made(Plan, table=table, cohort=cohort.until(place), measures=(Persons(),))
        try:
            steps.append(Counted(name, ask(plan)))
        except Refused as refused:
            if refused.code not in BY_DATA:
                raise
            steps.append(Counted(name, None, refused.code))
    if all(step.table is None for step in steps):
        raise TwinpaneError("no step of this cohort could be told: too few persons at every site. Ask about a larger group.", "withheld")
    return Attrition(cohort.name, steps)
