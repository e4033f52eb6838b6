"""The differential-privacy mode: noisy numbers instead of thresholds, with a proof instead of a memory.

Pure epsilon-differential privacy; neighbouring data differ in one person with all their rows. Counts of persons, and sums of values
clipped to the catalogue's bounds, get noise of the discrete Laplace mechanism (OpenDP), so no floating point bits tell anything.
No rule here looks at true numbers: which cells there are, what is refused, and what an answer costs follow from the question alone.
The epsilon account of a project is kept in the broker's memory, across snapshots. Source: Dwork et al. 2006; OpenDP.

The account does not cover the catalogue, which is published beside the answers.
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType

from twinpane_broker.aggregates.aggregate import OfCell
from twinpane_broker.aggregates.registry import Measure
from twinpane_broker.aggregates.sums import OfSum, mean_decimals
from twinpane_broker.aggregates.value import Value
from twinpane_broker.cells.cell_evidence import Spread
from twinpane_broker.cells.person_sets import NOBODY, PersonSet
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.errors import PolicyError, RefusalCode, Refused
from twinpane_broker.evidence.evidence import Evidence
from twinpane_broker.evidence.table import Index, Table, table_of
from twinpane_broker.memory import Decision, Memory
from twinpane_broker.model import canonical_json
from twinpane_broker.question.plan import split
from twinpane_broker.release.release import Row
from twinpane_broker.rules.policy import Dp, Rules
from twinpane_broker.rules.rounding import at_decimals, round_to

from .judge import Answer, Judged

UNITS = 2**16
"""Sums are made of whole units, so many of half a measure's span."""

Mechanism = Callable[[list[int], float, int], list[int]]
"""``mechanism(numbers, epsilon, sensitivity)``: the numbers with noise, where one person changes them by ``sensitivity`` in all (L1)."""


def laplace(numbers: list[int], epsilon: float, sensitivity: int) -> list[int]:
    """OpenDP's discrete Laplace mechanism over a vector. It draws from the operating system's randomness."""
    dp = opendp()
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l1_distance(T="i64")
    scale = sensitivity / epsilon
    mechanism = dp.m.make_laplace(*space, scale=scale)
    while mechanism.map(sensitivity) > epsilon:
        # Rounding of the scale itself.
        scale = math.nextafter(scale, math.inf) * (1 + 1e-12)
        mechanism = dp.m.make_laplace(*space, scale=scale)
    noisy: list[int] = mechanism(numbers)
    return noisy


def opendp() -> ModuleType:
    """The OpenDP library. Raises PolicyError, which says what to do, if it is not installed."""
    try:
        import opendp.prelude as dp  # 50 MB that only this mode needs
    except ImportError:
        raise PolicyError(
            "policy.toml [rules]: dp needs OpenDP, which is not installed: install twinpane[dp], or remove dp. "
            "Until then nothing is answered."
        ) from None
    dp.enable_features("contrib")
    return dp


def require(bound: ResolvedPlan, rules: Rules) -> None:
    """Raise Refused if one person's contribution to the answer has no known bound. The reason follows from plan and catalogue alone."""
    plan, root = bound.plan, _root(bound)
    if plan.margins:
        raise _refused("Totals are a question of their own under differential privacy: ask it without the groups.")
    for measure in plan.measures:
        if not measure.under_noise:
            raise _refused(f"{measure.sql[0]} has no noise of known size under differential privacy: ask avg, sum or counts.")
        if measure.of_rows and plan.tables != (root,):
            raise _refused(
                f"Under differential privacy rows are counted and values added up only where a person has one row{_in(root)}: "
                f"ask {_count_of_persons(bound)} instead."
            )
    cells_of_person(bound, rules)


def cells_of_person(bound: ResolvedPlan, rules: Rules) -> int:
    """The most cells of the table that one person can be in. Raises Refused if they are more than the policy allows."""
    root, most = _root(bound), _budget(rules).cells_per_person
    if all(split(column)[0] == root for axis in bound.axes for column in bound.read_by(axis.column)):
        return 1
    if len(bound.cells) <= most:
        return len(bound.cells)
    raise _refused(
        f"Under differential privacy a person may be in at most {most} cells of a table, and this one has "
        f"{len(bound.cells)} that a person can be in at once: group by columns{_in(root)}, or name fewer codes in WHERE."
    )


@dataclass(frozen=True)
class Account:
    """What a project has spent, in the memory of the broker."""

    memory: Memory | Decision
    project: str

    @property
    def spent(self) -> float:
        """Epsilon of all the project's answers."""
        return sum(self._entries())

    def require(self, dp: Dp) -> None:
        """Raises Refused if the project cannot afford one more answer."""
        spent = self._entries()
        # A sum of many floats may differ from the total by rounding.
        if sum(spent) + dp.epsilon_per_answer > dp.epsilon_total * (1 + 1e-9):
            raise _refused(
                f"This project has spent {sum(spent):g} of its privacy budget of epsilon {dp.epsilon_total:g}, and an answer costs "
                f"{dp.epsilon_per_answer:g}. Questions that were answered before are still answered; for new ones ask the site's steward."
            )

    @property
    def next_key(self) -> str:
        """The key of the next answer's entry."""
        return self._key(len(self._entries()))

    def _entries(self) -> list[float]:
        entries: list[float] = []
        while (entry := self.memory.get(self._key(len(entries)))) is not None:
            entries.append(float(json.loads(entry)["epsilon"]))
        return entries

    def _key(self, place: int) -> str:
        return hashlib.sha256(canonical_json(["epsilon", self.project, place])).hexdigest()


def pay(dp: Dp, decision: Decision, project: str) -> None:
    """Enter one answer; it is durable with the decision. Raises Refused if the project cannot afford it."""
    account = Account(decision, project)
    account.require(dp)
    decision.put(account.next_key, canonical_json({"epsilon": dp.epsilon_per_answer}), ())


def private(bound: ResolvedPlan, evidence: Evidence, rules: Rules, mechanism: Mechanism = laplace) -> Judged:
    """The answer with noise. It costs ``rules.dp.epsilon_per_answer`` in all. Cells with a noisy count below the threshold are suppressed.

    Raises Refused as ``require`` does, and if anybody has two rows in the question's table: then nothing bounds what one person adds to
    rows and values. That is a fact of the stored table. It refuses every such question on it, whomever the question selects: a refusal
    of those alone who have two rows would cost nothing and carry no noise.
    """
    require(bound, rules)
    if not evidence.one_row_each and any(measure.of_rows for measure in bound.plan.measures):
        raise _refused(
            f"At this site a person may have several rows{_in(_root(bound))}, so nothing bounds what one adds to rows and values: "
            f"ask {_count_of_persons(bound)} instead."
        )
    table, cells = table_of(bound, evidence), list(bound.cells)
    per_person = cells_of_person(bound, rules)
    columns = bound.value_columns
    epsilon = _budget(rules).epsilon_per_answer / (1 + bool(bound.axes) + 2 * len(columns))
    who = _once(table) if per_person == 1 else {cell: table.cell(cell).who for cell in cells}
    persons = dict(zip(cells, mechanism([len(who.get(cell, NOBODY)) for cell in cells], epsilon, per_person), strict=True))
    whole = mechanism([evidence.persons], epsilon, 1)[0] if bound.axes else persons[()]
    values = {column: _values(column, bound, table, cells, epsilon, mechanism) for column in columns}
    rows = []
    for cell in cells:
        seen = persons[cell] >= rules.threshold
        row = [_value(measure, cell, persons, whole, values, bound, rules) if seen else Value() for measure in bound.plan.measures]
        key = tuple(axis.categories[i] for axis, i in zip(bound.axes, cell, strict=True))
        rows.append(Row(key=key, persons=_shown(persons[cell], rules) if seen else None, values=tuple(row)))
    return Judged(Answer(persons=_shown(whole, rules) if whole >= rules.threshold else None, rows=tuple(rows)))


Noisy = tuple[int, int]
"""A noisy sum of values less the middle of the bounds, in units, and a noisy number of values."""


def _values(column: str, bound: ResolvedPlan, table: Table, cells: list[Index], epsilon: float, mechanism: Mechanism) -> dict[Index, Noisy]:
    place = bound.value_columns.index(column)
    spreads = [_spread(table, cell, place) for cell in cells]
    middle, unit = _scale(bound, column)
    sums = [round((spread.total - spread.values * middle) / unit) if spread else 0 for spread in spreads]
    # One person moves a sum by half the span at most, and its rounding by one unit.
    noisy = mechanism(sums, epsilon, UNITS + 1)
    counts = mechanism([spread.values if spread else 0 for spread in spreads], epsilon, 1)
    return dict(zip(cells, zip(noisy, counts, strict=True), strict=True))


def _value(
    measure: Measure,
    cell: Index,
    persons: Mapping[Index, int],
    whole: int,
    values: Mapping[str, Mapping[Index, Noisy]],
    bound: ResolvedPlan,
    rules: Rules,
) -> Value:
    if isinstance(measure, OfCell):
        return measure.noisy(_shown(persons[cell], rules), _shown(_of(measure, cell, persons, whole, bound), rules), rules.base // 2)
    if not isinstance(measure, OfSum):
        raise TypeError(f"{measure.kind} has no noise of known size")
    noisy, count = values[measure.column][cell]
    if count < rules.threshold:
        return Value()
    middle, unit = _scale(bound, measure.column)
    low, high = bound.column(measure.column).known_bounds
    mean = min(high, max(low, middle + noisy * unit / count))
    decimals, n = mean_decimals(mean, bound.column(measure.column), rules.digits, None), _shown(count, rules)
    return Value(value=measure.from_mean(at_decimals(mean, decimals), decimals, n, rules.base // 2), n=n)


def _of(measure: Measure, cell: Index, persons: Mapping[Index, int], whole: int, bound: ResolvedPlan) -> int:
    """The denominator of a share: the whole question, or the sum of the noisy cells of its groups, which costs nothing more."""
    places = [place for place, axis in enumerate(bound.axes) if axis.column in measure.within]
    if not places:
        return whole
    return sum(max(0, n) for other, n in persons.items() if all(other[place] == cell[place] for place in places))


def _once(table: Table) -> dict[Index, PersonSet]:
    """The cells with each person in one of them only, the first in the table. If each person has one row, this changes nothing."""
    seen, once = PersonSet(), {}
    for cell in (*table.shown, *(other for other in sorted(table.cells) if not table.is_shown(other))):
        once[cell] = table.cell(cell).who - seen
        seen |= once[cell]
    return once


def _spread(table: Table, cell: Index, place: int) -> Spread | None:
    spreads = table.cell(cell).spreads
    return spreads[place] if spreads else None


def _scale(bound: ResolvedPlan, column: str) -> tuple[float, float]:
    low, high = bound.column(column).known_bounds
    return (low + high) / 2, (high - low) / 2 / UNITS


def _shown(noisy: int, rules: Rules) -> int:
    return max(0, round_to(max(0, noisy), rules.base))


def _budget(rules: Rules) -> Dp:
    if rules.dp is None:
        raise ValueError("these rules are not of differential privacy")
    return rules.dp


def _root(bound: ResolvedPlan) -> str | None:
    """The catalogue's table of persons: other person keys refer to its key, and its key refers to none. None if that is ambiguous."""
    tables = bound.catalogue.tables
    named = {column.references for table in tables for column in table.columns if column.references}
    roots = [t.name for t in tables if (key := t.column(t.person_key)) is not None and key.references is None]
    referred = [name for name in roots if f"{name}.{bound.table(name).person_key}" in named]
    return referred[0] if len(referred) == 1 else roots[0] if len(tables) == 1 else None


def _count_of_persons(bound: ResolvedPlan) -> str:
    return f"count(distinct {bound.plan.table}.{bound.table(bound.plan.table).person_key})"


def _in(root: str | None) -> str:
    return f" of {root}" if root else ""


def _refused(reason: str) -> Refused:
    return Refused(reason, RefusalCode.catalogue)
