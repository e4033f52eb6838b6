"""A column at a glance: what the catalogue says of it, and one or two releases about it, with a small picture."""

from html import escape
from typing import Any

from twinpane_broker import Role, split

from .browse import Browser
from .choices import choice
from .column_page import ColumnPage
from .errors import Refused, TwinpaneError
from .queries import Question
from .results import Table
from .show import STYLE, details_html, notes_html, table_html
from .small_picture import picture_of


class Profile:
    """``column``: the catalogue's page; ``tables``: releases by what they are; ``refused``: reasons by what was not released.

    ``choice``: of a measure that holds many laboratory values, which one the question fixed, or how to fix one; empty of others.
    """

    def __init__(self, column: ColumnPage, tables: dict[str, Table], refused: dict[str, str], choice: str = "") -> None:
        """Use ``Profile.ask``; this only keeps its parts."""
        self.column = column
        self.choice = choice
        self.tables = tables
        self.refused = refused

    @classmethod
    def ask(cls, question: Question, column: str) -> "Profile":
        """The catalogue's page, then a description and a histogram of a measure, or counts by code or year, of the question's rows."""
        browser = Browser.ask()
        table, named = split(question._column(column))
        page = browser.column(table, named)
        asked = {
            Role.measure: {"description": lambda: question.describe(column), "histogram": lambda: question.histogram(column)},
            Role.dimension: {"rows by code": lambda: question.group_by(column).count()},
            Role.date: {"rows by year": lambda: question.group_by(**{column: "year"}).count()},
        }.get(page.role, {})
        tables, refused = {}, {}
        for name, ask in asked.items():
            try:
                tables[name] = ask()
            except Refused as refusal:
                refused[name] = str(refusal)
        listed = [found for site in page.sites if (found := browser.sites[site].table(table)) is not None]
        return cls(page, tables, refused, choice(listed, named, question._held))

    def __getitem__(self, name: str) -> Table:
        """One of the releases: ``profile["histogram"]``."""
        if name in self.refused:
            raise Refused(self.refused[name], "refused")
        if name not in self.tables:
            raise TwinpaneError(f"this profile has no {name!r}; it has {', '.join(self.tables) or 'no releases'}", "profile")
        return self.tables[name]

    __iter__ = None

    def _ipython_key_completions_(self) -> list[str]:
        return list(self.tables)

    def frame(self) -> Any:
        """The numbers of the first release as a pandas DataFrame; raises TwinpaneError where nothing was released."""
        return self[next(iter(self.tables), "release")].frame()

    def plot(self, ax: Any = None) -> Any:
        """Draw the last release: the histogram of a measure, bars of anything else."""
        return self[next(reversed(self.tables), "release")].plot(ax=ax)

    def __repr__(self) -> str:
        """All of it as text."""
        parts = [repr(self.column), *(f"{name}\n{table!r}" for name, table in self.tables.items())]
        parts[1:1] = [self.choice] if self.choice else []
        return "\n\n".join([*parts, *(f"no {name}: {reason}" for name, reason in self.refused.items())])

    def _repr_html_(self) -> str:
        page = self.column
        parts = [f"<p><b>{escape(page.table)}.{escape(page.name)}</b></p>", page.facts_html()]
        parts += [f"<p>{escape(self.choice)}</p>"] if self.choice else []
        for name, table in self.tables.items():
            last = name == next(reversed(self.tables))
            parts.append(f"<p>{escape(name)}</p>{_shown(table)}{(notes_html if last else details_html)(table)}")
        parts += [f"<p>no {escape(name)}: {escape(reason)}</p>" for name, reason in self.refused.items()]
        codes = page.codes_html()
        parts.append(f"<details><summary>codes</summary>{codes}</details>" if codes else "")
        return f'{STYLE}<div class="twp-t">{"".join(parts)}</div>'


def _shown(table: Table) -> str:
    """The numbers; of a distribution a picture first, with the numbers folded away below."""
    picture = "" if table.view == "describe" else picture_of(table)
    numbers = table_html(table)
    return f"{picture}<details><summary>numbers</summary>{numbers}</details>" if picture else numbers
