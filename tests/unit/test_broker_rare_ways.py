"""Ways through the disclosure rules that few questions take."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from broker_world import CATALOGUE, TEN_FIVE, any_rows, beside, bound_to, evidence, judge, some
from pydantic import ValidationError

from twinpane_broker.aggregates.pooled import Part
from twinpane_broker.aggregates.quantile import Quantile, bin_of_quantile
from twinpane_broker.aggregates.sums import variance_of
from twinpane_broker.cells.cell_evidence import Bins, CellEvidence, Pair, Spread
from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.check.resolve import ResolvedPlan, check
from twinpane_broker.disclosure import linear_program
from twinpane_broker.disclosure.applied import applied
from twinpane_broker.disclosure.classes import _published
from twinpane_broker.disclosure.conditions import published
from twinpane_broker.disclosure.differential_privacy import _budget, _value, laplace, opendp, private, require
from twinpane_broker.disclosure.feasibility import Audit, Need, Total
from twinpane_broker.disclosure.held_numbers import Numbers, Told
from twinpane_broker.disclosure.judge import _projected
from twinpane_broker.disclosure.secondary_suppression import SuppressionPattern
from twinpane_broker.errors import Refused
from twinpane_broker.evidence.table import table_of
from twinpane_broker.memory import REFUSED
from twinpane_broker.question.category import Category, CategoryKind
from twinpane_broker.question.plan import Plan
from twinpane_broker.question.predicates import Missing
from twinpane_broker.rules.cell_key import CoarseCounter, Counter
from twinpane_broker.rules.policy import load_rules

PRIVATE = load_rules({"preset": "own", "threshold": 10, "base": 1, "dp": {"epsilon_per_answer": 0.5, "epsilon_total": 1.0}})
RACE = bound_to("select race, count(*) from person group by race")


def by_sex_and_race(measure: dict[str, Any], margins: bool = False) -> Any:
    group = [{"column": "person.sex"}, {"column": "person.race"}]
    known = {"op": "not", "term": {"op": "missing", "column": "person.race"}}
    return check(
        Plan.model_validate({"table": "person", "group_by": group, "measures": [measure], "margins": margins, "where": known}), CATALOGUE
    )


# ---------------------------------------------------------------- what the catalogue says


def test_what_the_catalogue_says_of_missing_and_other_categories() -> None:
    """A missing one has the column's missing share, another the rest."""
    [axis], column = RACE.axes, RACE.column("person.race")
    kinds = [category.kind for category in axis.categories]
    assert _published(kinds.index(CategoryKind.missing), axis, column, ()) == column.missing == 0.1
    rest = replace(axis, categories=(Category(kind=CategoryKind.other), Category(kind=CategoryKind.code, value="none of them")))
    listed = sum(code.share for code in column.codes)
    assert _published(0, rest, column, ()) == pytest.approx(max(0.0, 1 - listed - 0.1))
    assert _published(1, rest, column, ()) == 0


def test_a_condition_on_missing_holds_for_the_missing_share() -> None:
    """A condition on what is missing holds for the missing share."""
    assert published(Missing(column="person.race"), RACE) == 0.1


# ---------------------------------------------------------------- totals and shares


def test_totals_that_may_not_be_told_are_suppressed_whole() -> None:
    """Totals of which nothing may be told are suppressed whole.

    The memory refuses each sex: the cells are shown, the totals by sex are not.
    """
    cells = {(0, 0): 103, (0, 1): 61, (0, 2): 48, (1, 0): 87, (1, 1): 72, (1, 2): 77}
    bound = by_sex_and_race({"kind": "persons"}, margins=True)
    seen = evidence(bound, cells)
    sexes = [PersonSet.union(*(seen.cell((sex, race)).who for race in range(3))) for sex in range(2)]
    asked: list[PersonSet] = []

    def admits(who: PersonSet) -> bool:
        # What cells of a line add up to is asked for with them, before; refused are only the totals' own cells.
        asked.append(who)
        return who not in sexes or asked.count(who) == 1

    judged = judge(bound, seen, TEN_FIVE, admits, any_rows)
    totals = [row for row in judged.answer.rows if row.key[1].kind is CategoryKind.total and row.key[0].kind is CategoryKind.code]
    assert [row.persons for row in totals] == [None, None]
    assert any(row.persons is not None for row in judged.answer.rows)


def test_a_share_of_a_table_that_is_not_there_is_none() -> None:
    assert _projected((0,), table_of(RACE, evidence(RACE, {(0,): 100})), None) is None


# ---------------------------------------------------------------- the audit


def audit(**more: Any) -> Audit:
    """One line of three cells, the first two suppressed, whose total is known."""
    line = SimpleNamespace(shown=((0,), (1,), (2,)), outside=(), axis=0)
    truth = {(0,): 7, (1,): 12, (2,): 40}
    given: dict[str, Any] = {"hidden": {(0,): (1, 9), (1,): (1, None)}, "needs": {(0,): Need(5)}, "alone": frozenset(), **more}
    return Audit(truth=truth, totals=[Total(line, 59)], base=1, floor=1, **given)  # type: ignore[arg-type]


def test_a_cell_is_looked_at_leniently_once() -> None:
    looked = audit()
    assert looked.relent((0,), ())
    assert not looked.relent((0,), ())


def test_without_programs_left_a_cell_counts_as_too_narrow() -> None:
    looked = audit(needs={(0,): Need(500)})
    looked._programs = 0
    assert looked.narrow([(0,), (1,)]) == [(0,)]


@pytest.mark.parametrize(("status", "narrow"), [(3, []), (4, [(0,)])], ids=["no bound", "no answer"])
def test_what_the_solver_says_of_a_cell(monkeypatch: pytest.MonkeyPatch, status: int, narrow: list[tuple[int]]) -> None:
    """Where its largest number has no bound it may have any; no answer is none to rely on, so the cell counts as known."""
    least, largest = SimpleNamespace(status=0, x=np.array([1.0, 18.0])), SimpleNamespace(status=status)
    monkeypatch.setattr(linear_program, "linprog", lambda objective, **_: least if objective.sum() > 0 else largest)
    assert audit(needs={(0,): Need(500)}).narrow([(0,), (1,)]) == narrow


# ---------------------------------------------------------------- differential privacy


def test_a_scale_that_rounds_the_wrong_way_is_made_larger() -> None:
    """1 / 0.7 costs 0.7000000000000001."""
    dp = opendp()
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l1_distance(T="i64")
    assert dp.m.make_laplace(*space, scale=1 / 0.7).map(1) > 0.7
    assert len(laplace([5, 5], 0.7, 1)) == 2


def test_differential_privacy_makes_totals_their_own_question() -> None:
    """Totals are a question of their own under differential privacy."""
    with pytest.raises(Refused, match="ask it without the groups"):
        require(by_sex_and_race({"kind": "persons"}, margins=True), PRIVATE)


@pytest.mark.parametrize(("within", "of"), [([], 448), (["person.sex"], 212)])
def test_shares_are_of_noisy_cells_under_differential_privacy(within: list[str], of: int) -> None:
    """They cost nothing more."""
    bound = by_sex_and_race({"kind": "share", "within": within})
    cells = {(0, 0): 103, (0, 1): 61, (0, 2): 48, (1, 0): 87, (1, 1): 72, (1, 2): 77}
    answer = private(bound, evidence(bound, cells), PRIVATE, lambda numbers, _e, _s: numbers).answer
    first = answer.rows[0].values[0]
    assert (first.n, first.of, first.value) == (103, of, round(100 * 103 / of, 1))


# ---------------------------------------------------------------- what is said of it


def sentences(rules, plan) -> list[str]:
    return [rule.sentence for rule in applied(rules, plan)]


def test_shares_and_rounding_of_noisy_counts_are_said() -> None:
    plan = by_sex_and_race({"kind": "share"}).plan
    assert any("Shares are made from the shown counts" in words for words in sentences(TEN_FIVE, plan))
    rounded = PRIVATE.model_copy(update={"base": 5})
    assert "Noisy counts are rounded to 5." in sentences(rounded, plan)
    assert "Noisy counts are rounded to 5." not in sentences(PRIVATE, plan)


def test_a_whole_of_few_is_not_told_under_differential_privacy() -> None:
    bound = bound_to("select count(*) from person")
    assert (
        private(bound, replace(evidence(bound, {(): 5}), one_row_each=True), PRIVATE, lambda numbers, _e, _s: numbers).answer.persons
        is None
    )


# ---------------------------------------------------------------- cells that close no pattern


class Never:
    """An audit that is never content, and to which nothing helps."""

    def __init__(self, relents: bool) -> None:
        self.relents, self.asked = relents, 0

    def narrow(self, _hidden: object) -> list[tuple[int, int]]:
        self.asked += 1
        return [(0, 0)] if self.asked == 1 else []

    def relent(self, _cell: object, every: Any) -> bool:
        return self.relents and not every

    def helps(self, _box: object) -> bool:
        return False


def pattern_of(*suppressed: tuple[int, int]) -> SuppressionPattern:
    """A table of two by three with these cells suppressed."""
    bound = by_sex_and_race({"kind": "persons"})
    cells = {(0, 0): 103, (0, 1): 61, (0, 2): 48, (1, 0): 87, (1, 1): 72, (1, 2): 77}
    made = SuppressionPattern(table_of(bound, evidence(bound, cells)), bound, TEN_FIVE, TEN_FIVE.base)
    made.refuse(dict.fromkeys(suppressed, REFUSED))
    return made


def test_where_no_box_helps_the_nearest_line_gives_a_cell() -> None:
    """Its own line first; where that is full, one of the suppressed cells' in it."""
    pattern = pattern_of((0, 0))
    assert pattern._widen(Never(relents=False))  # type: ignore[arg-type]
    assert len(pattern.reasons) == 2
    pattern = pattern_of((0, 0), (0, 1), (0, 2), (1, 0))
    assert pattern._widen(Never(relents=False))  # type: ignore[arg-type]
    assert len(pattern.reasons) == 5


@pytest.mark.parametrize("relents", [True, False])
def test_with_all_suppressed_the_audit_relents_or_tells_nothing(relents: bool) -> None:
    """Where all is suppressed, the audit relents or nothing is told."""
    every = [(sex, race) for sex in range(2) for race in range(3)]
    assert pattern_of(*every)._widen(Never(relents)) is relents  # type: ignore[arg-type]


# ---------------------------------------------------------------- aggregates that nobody made numbers for


def numbers_of(table: Any, bound: ResolvedPlan, admits: Callable[[PersonSet], bool]) -> Numbers:
    """The numbers of a table of which no cell is suppressed, beside a memory that knows no descriptions."""
    return Numbers(
        table, set(), bound, TEN_FIVE, Counter(TEN_FIVE), CoarseCounter(TEN_FIVE), one_row_each=False,
        told=lambda cell: Told(table.cell(cell)), name=lambda _cell: b"", totals=lambda _cell: frozenset(), beside=beside(admits, any_rows),
        one_shows=lambda _column, _cell: False, is_known=lambda _column: False,
    )  # fmt: skip


def test_an_aggregate_of_no_known_evidence_has_no_number() -> None:
    """One that somebody adds and does not finish is an error, never a number without rules."""
    novel: Any = SimpleNamespace(aggregate=None, kind="novel", column=None, other=None)
    nothing: Any = None
    with pytest.raises(TypeError, match="novel has no noise of known size"):
        _value(novel, (), {(): 100}, 100, {}, RACE, PRIVATE)
    numbers = numbers_of(nothing, RACE, nothing)
    with pytest.raises(AssertionError, match="unreachable"):
        numbers.of(novel, lambda _: None)


# ---------------------------------------------------------------- what never comes so far


def test_evidence_that_was_not_asked_for_gives_no_number() -> None:
    """Nothing is made up: no bins, no squares, no budget is an error of the code."""
    nothing: Any = None
    spread = Spread(who=some(40), values=40, total=1.0, absolute=1.0, largest=0.1, second=0.1, low=0.0, high=1.0)
    age = CATALOGUE.known_table("person").known_column("age")
    with pytest.raises(ValueError, match="no values"):
        Quantile(column="person.age", percent=50).number(spread, age, nothing)
    assert bin_of_quantile(Bins((3,), (1,), (1,)), 101) is None, "more than all values are asked about"
    with pytest.raises(ValueError, match="no squares"):
        variance_of(spread, age, nothing)
    with pytest.raises(ValueError, match="not of differential privacy"):
        _budget(TEN_FIVE)
    with pytest.raises(ValidationError):
        Quantile.model_validate("a text")


def test_quantiles_of_sites_are_never_pooled() -> None:
    """The sites without a number are named all the same."""
    pooled = Quantile.pool({"a": Part(value=3.0, n=40), "b": Part()}, ("c",))
    assert (pooled.value, pooled.without, pooled.how) == (None, ("b", "c"), "see the sites")


def test_a_correlation_that_the_memory_refuses_is_held_back() -> None:
    """The persons with both values are others than the cell's, and near to an earlier set."""
    bound = bound_to("select corr(age, weight) from person")
    x, y = [float(i % 9) for i in range(60)], [float(i % 7) for i in range(60)]
    sums = {"x": sum(x), "y": sum(y), "xx": sum(v * v for v in x), "yy": sum(v * v for v in y)}
    both = Pair(who=some(60), values=60, most_values=1, xy=sum(a * b for a, b in zip(x, y, strict=True)), **sums)
    cell = CellEvidence(who=some(100), rows=100, largest=1, second=1, pairs=(both,))
    table = table_of(bound, replace(evidence(bound, {(): 100}), cells={(): cell}))
    for admitted in (True, False):
        numbers = numbers_of(table, bound, lambda _who, admitted=admitted: admitted)
        [value] = numbers.of(bound.plan.measures[0], lambda _: None).values()
        assert value.suppressed is not admitted
