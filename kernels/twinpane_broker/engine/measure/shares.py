"""Single persons' shares in each cell: a bound if that is enough, otherwise the exact contributions of some persons or of everybody."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from twinpane_broker.engine.sql.runner import Runner
from twinpane_broker.engine.sql.statement import Question

from .certify import is_certain
from .exact import ROWS_AT_ONCE, Contributions, Exact
from .tallies import Cell, Tally


class Disagreement(RuntimeError):
    """Two ways to the same numbers gave different results: files of different snapshots, or an engine that loses rows. No answer leaves."""


@dataclass(frozen=True)
class Shares:
    """The shares in one cell. If nothing is known exactly, the bound on a person's rows in the cell is enough for every rule."""

    exact: Exact | None = None
    sampled: tuple[float, ...] | None = None
    """Per measure the sum of some persons' absolute contributions."""


def contributed(
    question: Question, runner: Runner, found: Mapping[Cell, Tally], most_rows: Callable[[Cell], int], last: int
) -> dict[Cell, Shares]:
    """The shares in every cell. ``last`` is the largest person number. Raises Disagreement if two passes do not find the same rows.

    If values have both signs, their total says little about how much persons contribute. If this is the only doubt about many rows, a
    sample of persons may settle it: their contributions alone may be so large that nobody can dominate.
    """
    shares = dict.fromkeys(found, Shares())
    contributions = Contributions(question, runner, last)
    doubtful = [cell for cell, tally in found.items() if not is_certain(tally, most_rows(cell))]
    if _rows(doubtful, found) > ROWS_AT_ONCE:
        sampled = contributions.sample(_asked(doubtful, found), _rows(doubtful, found))
        for cell in doubtful:
            if cell in sampled:
                absolutes = tuple(values.absolute for values in sampled[cell].values)
                if is_certain(found[cell], most_rows(cell), absolutes):
                    shares[cell] = Shares(sampled=absolutes)
        doubtful = [cell for cell in doubtful if shares[cell].sampled is None]
    if doubtful:
        exact = contributions.of(_asked(doubtful, found), _rows(doubtful, found))
        if any(cell not in exact or exact[cell].total != found[cell].rows for cell in doubtful):
            raise Disagreement(f"two passes over {question.bound.plan.tables} do not find the same rows")
        shares |= {cell: Shares(exact=exact[cell]) for cell in doubtful}
    return shares


def _rows(cells: list[Cell], found: Mapping[Cell, Tally]) -> int:
    return sum(found[cell].rows for cell in cells)


def _asked(cells: list[Cell], found: Mapping[Cell, Tally]) -> list[Cell] | None:
    return None if len(cells) == len(found) else cells
