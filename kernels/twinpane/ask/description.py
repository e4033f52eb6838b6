"""Several columns described, one release each."""

from collections.abc import Mapping
from typing import Any

from twinpane.catalogues.browser import Browser
from twinpane.errors import Refused, TwinpaneError
from twinpane.style import STYLE
from twinpane.tables.table_html import notes_html, table_html

from .question import Question
from .result import Result

MOST = 20
"""Columns of one call, at most: each is a question."""


class Described(Mapping[str, Result]):
    """Each column's description, shown one below the other. ``refused`` gives the reason for each column that has none."""

    def __init__(self, tables: dict[str, Result], refused: dict[str, str]) -> None:
        """Keep the tables by column."""
        self._tables = tables
        self.refused = refused

    def __getitem__(self, column: str) -> Result:
        if column in self.refused:
            raise Refused(self.refused[column], "refused")
        return self._tables[column]

    def __iter__(self) -> Any:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def frame(self) -> Any:
        """All numbers as one pandas DataFrame: groups, ``site``, ``column``, mean, sd and quantiles, ``partial``, ``about``, ``note``."""
        import pandas as pd

        frames = []
        for column, table in self._tables.items():
            names = [measure.name for measure in table.cells.columns if measure.is_measure]
            short = {name: name.partition("_")[0] for name in names}
            made = table.frame().rename(columns=short)
            made.insert(made.columns.get_loc("site") + 1, "column", column)
            frames.append(made)
        return pd.concat(frames, ignore_index=True)

    def plot(self) -> Any:
        """A box picture per column; returns the list of Axes."""
        return [table.plot() for table in self._tables.values()]

    def __repr__(self) -> str:
        """The tables as text."""
        parts = [f"{column}\n{table!r}" for column, table in self._tables.items()]
        return "\n\n".join([*parts, *(f"{column}: {reason}" for column, reason in self.refused.items())])

    def _repr_html_(self) -> str:
        from html import escape

        tables = list(self._tables.values())
        parts = [table_html(table) for table in tables]
        parts += [f"<p><b>{escape(column)}</b>: {escape(reason)}</p>" for column, reason in self.refused.items()]
        return f'{STYLE}<div class="twp-t">{"".join(parts)}{notes_html(tables[0]) if tables else ""}</div>'


def described(question: Question, table: str, columns: tuple[str, ...]) -> Result | Described:
    """See ``twinpane.describe``; raises Refused where nothing was released."""
    if len(columns) == 1:
        return question.describe(columns[0])
    if not columns:
        listed = [found for one in Browser.ask().sites.values() if (found := one.table(table)) is not None]
        columns = tuple(dict.fromkeys(c.name for found in listed for c in found.visible if c.measured))
        if not columns:
            raise Refused(f"the catalogue lists no measures of {table}: tp.catalogue() shows what there is", "catalogue")
    if len(columns) > MOST:
        raise TwinpaneError(f"describe takes up to {MOST} columns at a time: name them", "columns")
    tables, refused = {}, {}
    for column in columns:
        try:
            tables[column] = question.describe(column)
        except Refused as refusal:
            refused[column] = str(refusal)
    if not tables:
        raise Refused(next(iter(refused.values())), "refused")
    return Described(tables, refused)
