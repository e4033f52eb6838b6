"""What a question gives in a notebook: a table with everything that can be done with it."""

from typing import Any

from twinpane.plots.by_view import plot
from twinpane.tables.pandas_frame import pandas_frame
from twinpane.tables.table import Table
from twinpane.tables.table_html import html
from twinpane.tables.table_text import text

from .sql_text import sql_of


class Result(Table):
    """Released numbers: per site and pooled.

    Sites come in the project's order and are shown by their titles; in ``frame()`` they go by their ids.

    ``releases`` maps a site to its signed ``Release``, ``refusals`` to its ``Refusal``, ``missing`` to why nothing came. Shows as a
    table in a notebook; ``frame()`` and ``pooled`` give pandas, ``plot()`` a picture, all made from the releases alone.
    """

    @property
    def sql(self) -> str:
        """The SQL that asks the same; ``tp.sql`` reads it back. Raises Refused where SQL cannot express it, as for a cohort."""
        return sql_of(self.plan)

    @property
    def pooled(self) -> Any:
        """The pooled numbers as a pandas DataFrame: the groups, the measures, ``partial``, ``about``, ``note``, and the ends.

        NA where every site's part is suppressed. Quantiles are NA too: they cannot be pooled.
        """
        frame = self.frame()
        return frame[frame["site"] == "pooled"].drop(columns="site").reset_index(drop=True)

    def frame(self) -> Any:
        """All numbers as a pandas DataFrame: the groups, ``site``, the measures, ``partial``, ``about``, ``note``.

        ``site`` is a site's id, or ``pooled``. Suppressed numbers are NA. A pooled line is ``partial`` if one of its numbers lacks a
        site's part; ``note`` says which: ``n: without valley``. A count is then *at least* this, any other number is of the other sites.
        A line is ``about`` if one of its numbers is that of another group, which the site released before, or is made from one: the exact
        number differs from it by few persons, or not at all (``≈`` in the table, with a note).
        ``note`` says what the table says beside a number: ``p95_days: or more`` (it lies at the catalogue's bound), ``mean_days: 15–25 %
        clipped`` (so many of its values lie beyond, and count as lying on it), ``n: 63–187`` (rows are rounded so coarsely, or the
        number is about and may be off by more than a fifth); else NA. ``n_low`` and ``n_high`` have these two ends of a number of
        persons or rows, a share or a sum; NA where the number may be off by little.
        A site that has no such cell has no row for it. Groups hold codes, and the lower ends of a measure's bins; a missing category is
        NA, unlisted codes are ``(other)``, totals ``(all)``.
        """
        return pandas_frame(self.cells)

    def plot(self, measure: str | None = None, ax: Any = None) -> Any:
        """Draw the table from the releases alone; returns matplotlib's Axes (an array of them where there are several).

        A crosstab becomes heat maps, one per site and one pooled. A histogram becomes bars along its axis. A description becomes boxes
        from the 5th to the 95th percentile, as do several quantiles of a column. A correlation becomes tiles. Everything else becomes
        bars per group, one colour per site.
        ``measure`` names the one to draw (the first by default). Suppressed numbers are hatched, numbers that are about
        bear their mark, and a note says so. If ``ax`` is given, only the pooled numbers are drawn, into it.
        """
        return plot(self, measure, ax)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": html(self), "text/plain": text(self)}

    def __repr__(self) -> str:
        """The table as text."""
        return text(self)
