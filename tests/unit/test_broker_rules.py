"""The disclosure rules one by one, on evidence: thresholds, complements, dominance, spreads, quantiles, correlations, classes."""

from dataclasses import replace

import pytest
from broker_world import CATALOGUE, TEN_FIVE, bound_to, evidence, some, spread_of
from hypothesis import given
from hypothesis import strategies as st

from twinpane_broker.aggregates.correlation import Correlation
from twinpane_broker.aggregates.quantile import quantile_is_safe, tells_no_class
from twinpane_broker.aggregates.sd import Sd
from twinpane_broker.catalogue.catalogue import Code, Given
from twinpane_broker.cells.cell_evidence import Bins, CellEvidence, Pair, Spread
from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.disclosure.applied import applied
from twinpane_broker.disclosure.classes import classes
from twinpane_broker.evidence.table import table_of
from twinpane_broker.rules.policy import load_rules
from twinpane_broker.rules.rounding import rounded
from twinpane_broker.rules.sdc_rules import class_rule, complement_rule, count_is_safe, dominance_rule, mean_is_safe, p_percent_rule
from twinpane_broker.sql import parse_sql

EXACT = load_rules({"preset": "cms-11", "threshold": 11})
SPREAD, CORRELATION = Sd(column="t.x"), Correlation(column="t.x", other="t.y")


def spread(**change: object) -> Spread:
    """Twenty persons with one value each, well spread."""
    plain = {"who": some(20), "values": 20, "total": 400.0, "absolute": 400.0, "largest": 30.0, "second": 30.0, "low": 10.0, "high": 30.0}
    return Spread(**{**plain, "most_values": 1, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"who": some(9)},
        {"largest": 250.0},
        {"largest": 150.0, "second": 140.0},
        {"low": 30.0},
        {"most_values": 11},
        {"total": 0.0, "absolute": 400.0, "largest": 250.0},
    ],
)
def test_means_need_persons_without_dominance_and_not_all_alike(change: dict) -> None:
    """Threshold, (1,50), (2,67), one value for all, one person's many values, and signs that cancel."""
    assert mean_is_safe(spread(), TEN_FIVE)
    assert not mean_is_safe(spread(**change), TEN_FIVE)
    assert not mean_is_safe(None, TEN_FIVE)


def test_the_dominance_rules_by_the_handbook() -> None:
    """p% with p = 10, (1,50), (2,67)."""
    assert not p_percent_rule(100, 80, 15, 10)
    assert p_percent_rule(100, 50, 40, 10)
    assert not dominance_rule(100, 51, 0, 50, 67)
    assert not dominance_rule(100, 40, 28, 50, 67)
    assert dominance_rule(100, 40, 27, 50, 67)
    assert not count_is_safe(CellEvidence(some(12), 1000, 900, 5), TEN_FIVE)


def test_the_complement_may_be_nobody() -> None:
    """Everybody, or all but ten."""
    assert complement_rule(100, 100, 10)
    assert complement_rule(90, 100, 10)
    assert not complement_rule(91, 100, 10)


def test_spreads_need_persons_and_degrees_of_freedom() -> None:
    """30 persons by default, 10 degrees of freedom, and the mean's rules."""
    fine = spread_of([10.0 + i % 7 for i in range(30)])
    assert SPREAD.is_safe(fine, TEN_FIVE)
    assert not SPREAD.is_safe(spread_of([10.0 + i % 7 for i in range(29)]), TEN_FIVE)
    assert not SPREAD.is_safe(spread_of([10.0] * 30), TEN_FIVE)
    assert not SPREAD.is_safe(fine, load_rules({"threshold": 10, "spread_dof": 30}))
    assert not SPREAD.is_safe(spread(who=some(40), values=40), TEN_FIVE), "without squares there is none"


def bins(rows: list[int]) -> Spread:
    """One value per person, so many in each bin."""
    return spread(who=some(sum(rows)), values=sum(rows), bins=Bins(tuple(rows), tuple(rows), tuple(rows)))


def test_quantiles_need_the_threshold_on_each_side() -> None:
    """Counting those in the quantile's own bin on both."""
    assert quantile_is_safe(bins([10, 5, 10]), 50, 1, TEN_FIVE)
    assert not quantile_is_safe(bins([4, 5, 30]), 25, 1, TEN_FIVE)
    assert not quantile_is_safe(bins([30, 5, 4]), 75, 1, TEN_FIVE)
    assert not quantile_is_safe(spread(), 50, 0, TEN_FIVE), "without bins there is none"


def test_quantiles_need_the_threshold_in_what_they_cut_off() -> None:
    """Quantiles need the threshold in the part that they cut off.

    A median of 20 persons, a decile of 100, the outer ones of 200: these are nearest to single persons' values.
    """
    for percent, persons in ((50, 20), (25, 40), (10, 100), (5, 200), (95, 200)):
        for enough in (True, False):
            third, rest = divmod(persons - (not enough), 3)
            at = {True: 0, False: 2}[percent < 50] if percent != 50 else 1
            assert quantile_is_safe(bins([third, third + rest, third]), percent, at, TEN_FIVE) is enough


def test_quantiles_never_tell_that_over_90_percent_are_alike() -> None:
    """Those of 10 to 90 % cannot; the outer ones are suppressed where these are one edge, with or without a class: no news."""
    for rows in ([1, 297, 2], [24, 252, 24]):
        shown = {percent: tells_no_class(replace(bins(rows), high=1.0), percent, TEN_FIVE, ()) for percent in (5, 10, 50, 90, 95)}
        assert shown == {5: False, 10: True, 50: True, 90: True, 95: False}
    assert tells_no_class(replace(bins([50, 200, 50]), high=1.0), 95, TEN_FIVE, ())
    stricter = load_rules({"threshold": 10, "class_share": 80})
    assert not tells_no_class(replace(bins([24, 252, 24]), high=1.0), 90, stricter, ())


def test_a_quantile_of_equal_values_is_told_by_the_catalogue() -> None:
    """Such values have no mean, so their quantile would be known to be everybody's."""
    equal = replace(bins([0, 300, 0]), low=14.0, high=14.0)
    assert not tells_no_class(equal, 50, TEN_FIVE, ())
    assert not tells_no_class(equal, 50, TEN_FIVE, (7.0, 14.0, 14.0))
    assert not tells_no_class(equal, 50, TEN_FIVE, (7.0, 7.0))
    assert tells_no_class(equal, 50, TEN_FIVE, (14.0, 14.0))


def pair(x: list[float], y: list[float], **change: object) -> Pair:
    """One row per person."""
    sums = {"x": sum(x), "y": sum(y), "xx": sum(v * v for v in x), "yy": sum(v * v for v in y)}
    sums["xy"] = sum(a * b for a, b in zip(x, y, strict=True))
    return Pair(**{"who": some(len(x)), "values": len(x), "most_values": 1, **sums, **change})


def test_correlations_need_persons_who_vary_in_both() -> None:
    """It needs 50 persons by default. On a perfect line, one value of a person would tell the other."""
    x, y = [float(i % 9) for i in range(50)], [float(i % 7) for i in range(50)]
    assert CORRELATION.is_safe(pair(x, y), TEN_FIVE)
    assert not CORRELATION.is_safe(pair(x[:49], y[:49]), TEN_FIVE)
    assert not CORRELATION.is_safe(pair(x, [3.0] * 50), TEN_FIVE)
    assert not CORRELATION.is_safe(pair(x, [2 * v + 1 for v in x]), TEN_FIVE)
    assert not CORRELATION.is_safe(pair(x, y, most_values=26), TEN_FIVE)


def test_spreads_and_correlations_have_few_digits() -> None:
    """Significant ones; means have decimals of their own."""
    assert rounded(61.2345, 3) == 61.2
    assert rounded(1957.3, 2) == 2000
    assert rounded(0.0, 3) == 0.0


def test_a_class_is_more_than_its_share() -> None:
    """90 % may be told, 91 % not."""
    assert class_rule(90, 100, TEN_FIVE)
    assert not class_rule(91, 100, TEN_FIVE)


# ---------------------------------------------------------------- class disclosure in tables

RACE_SMOKER = bound_to("select race, smoker, count(*) from person where race is not null group by race, smoker")


def disclosed(bound: object, cells: dict, rules: object = TEN_FIVE, whole: int | None = None) -> set:
    """The cells that are held back for class disclosure."""
    found = classes(table_of(bound, evidence(bound, cells, whole)), bound, rules)
    return {cell for one in found for cell in one.held_back}


def test_a_split_with_nearly_all_in_one_category_is_held_back() -> None:
    """A group's split is held back where nearly all of the group are in one category.

    95 of 100 of one race smoke: that line goes, the others stay.
    """
    assert disclosed(RACE_SMOKER, {(0, 0): 95, (0, 1): 5, (1, 0): 50, (1, 1): 40, (2, 0): 30, (2, 1): 30}) == {(0, 0), (0, 1)}


def test_a_split_with_everybody_in_one_category_is_held_back() -> None:
    """A group's split is also held back where everybody of the group is in one category: 100 % and 0 %."""
    assert disclosed(RACE_SMOKER, {(0, 0): 100, (1, 0): 50, (1, 1): 40, (2, 0): 30, (2, 1): 30}) == {(0, 0), (0, 1)}


def test_a_group_below_the_threshold_has_no_class() -> None:
    """It is not shown anyway."""
    assert not disclosed(RACE_SMOKER, {(0, 0): 9, (1, 0): 50, (1, 1): 60, (2, 0): 30, (2, 1): 30})


def test_what_the_catalogue_says_of_everybody_is_no_news() -> None:
    """One dimension, no WHERE; with a WHERE it is."""
    plain = bound_to("select smoker, count(*) from person group by smoker")
    where = bound_to("select smoker, count(*) from person where sex = 'F' group by smoker")
    assert not disclosed(plain, {(0,): 970, (1,): 30})
    assert disclosed(where, {(0,): 970, (1,): 30}) == {(0,), (1,)}


def catalogue_with(**change: object) -> object:
    """The catalogue with another ``smoker`` column."""
    person = CATALOGUE.tables[0]
    columns = tuple(c.model_copy(update=change) if c.name == "smoker" else c for c in person.columns)
    return CATALOGUE.model_copy(update={"tables": (person.model_copy(update={"columns": columns}), *CATALOGUE.tables[1:])})


def test_a_dimension_that_is_not_sensitive_has_no_class() -> None:
    """As the steward says."""
    catalogue = catalogue_with(sensitive=False)
    bound = bound_to("select smoker, count(*) from person where sex = 'F' group by smoker", catalogue)
    assert not disclosed(bound, {(0,): 970, (1,): 30})


def test_a_routine_test_is_no_class() -> None:
    """Nearly all of a group had it: that may be shown. That they had another one may not."""
    catalogue = catalogue_with(codes=(Code(value=True, share=0.5, routine=True), Code(value=False, share=0.5)))
    bound = bound_to("select smoker, count(*) from person where sex = 'F' group by smoker", catalogue)
    assert not disclosed(bound, {(0,): 970, (1,): 30})
    assert disclosed(bound, {(0,): 30, (1,): 970}) == {(0,), (1,)}


def test_a_category_common_by_the_catalogue_is_seldom_news() -> None:
    """97 % do not smoke. Of 1000 women, 960 non-smokers may be shown, but neither 995 nor 1000."""
    catalogue = catalogue_with(codes=(Code(value=True, share=0.03), Code(value=False, share=0.97)))
    bound = bound_to("select smoker, count(*) from person where sex = 'F' group by smoker", catalogue)
    assert not disclosed(bound, {(0,): 40, (1,): 960})
    assert disclosed(bound, {(1,): 1000}) == {(0,), (1,)}
    assert disclosed(bound, {(0,): 5, (1,): 995}) == {(0,), (1,)}


def following(given: tuple[Given, ...]) -> object:
    """Race and smoking, where by the catalogue smoking follows race."""
    catalogue = catalogue_with(follows="race", given=given)
    return bound_to("select race, smoker, count(*) from person where race is not null group by race, smoker", catalogue)


def test_what_goes_with_a_code_by_the_catalogue_is_no_news() -> None:
    """A test has one unit, and where the unit is of no other test, it has one test: neither tells more than the catalogue."""
    race, smoker = (axis.values for axis in RACE_SMOKER.axes)
    alone = {(0, 0): 100, (1, 1): 90, (2, 1): 90}
    assert disclosed(RACE_SMOKER, alone) == {(i, j) for i in range(3) for j in range(2)}
    # Each race has its value; the first value is of one race alone, the second of two.
    bound = following(tuple(Given(code=code, value=smoker[int(place > 0)]) for place, code in enumerate(race)))
    assert not disclosed(bound, alone)
    assert disclosed(bound, {(0, 0): 100, (1, 1): 95, (2, 1): 2}) == {(0, 1), (1, 1), (2, 1)}
    # What it does not say, or says of other codes, stays news.
    assert disclosed(following(()), alone) == disclosed(RACE_SMOKER, alone)
    turned = following(tuple(Given(code=code, value=smoker[int(place == 0)]) for place, code in enumerate(race)))
    assert disclosed(turned, alone) == disclosed(RACE_SMOKER, alone)


def test_two_columns_that_follow_one_go_together() -> None:
    """The name of a test and its unit both follow the test's code: grouped by both, the unit of a name is no news."""
    person = CATALOGUE.tables[0]
    sexes = [code.value for code in person.known_column("sex").codes]
    race, smoker = (axis.values for axis in RACE_SMOKER.axes)
    names = tuple(Given(code=sex, value=name) for sex, name in zip(sexes, race, strict=False))

    def bound(units: tuple[Given, ...]) -> object:
        change = {"race": {"follows": "sex", "given": names}, "smoker": {"follows": "sex", "given": units}}
        columns = tuple(c.model_copy(update=change.get(c.name, {})) for c in person.columns)
        catalogue = CATALOGUE.model_copy(update={"tables": (person.model_copy(update={"columns": columns}), *CATALOGUE.tables[1:])})
        return bound_to("select race, smoker, count(*) from person where race is not null group by race, smoker", catalogue)

    alone = {(0, 0): 100, (1, 1): 90, (2, 0): 50, (2, 1): 50}
    assert not disclosed(bound(tuple(Given(code=sex, value=unit) for sex, unit in zip(sexes, smoker, strict=True))), alone)
    # The unit of the second name is not told, or is another one.
    assert disclosed(bound((Given(code=sexes[0], value=smoker[0]),)), alone) == {(1, 0), (1, 1)}
    assert disclosed(bound(tuple(Given(code=sex, value=smoker[0]) for sex in sexes)), alone) == {(1, 0), (1, 1)}


def test_a_partner_that_where_fixes_counts_too() -> None:
    """And never one of another table: a person's own code is not that of an event's row."""
    catalogue = catalogue_with(follows="race", given=(Given(code="a", value=True),))
    bound = bound_to("select smoker, count(*) from person where race = 'a' group by smoker", catalogue)
    of_a, other = (int(not bound.axes[0].values[0]), int(bool(bound.axes[0].values[0])))
    assert not disclosed(bound, {(of_a,): 1000})
    assert disclosed(bound, {(other,): 1000})
    elsewhere = bound_to(
        "select smoker, count(*) from person join visit on visit.person_id = person.person_id where ward = 'icu' group by smoker", catalogue
    )
    assert disclosed(elsewhere, {(0,): 1000})


def aged(*knots: float) -> object:
    """Women by age in bands of twenty years; the catalogue has these quantiles of ages."""
    person = CATALOGUE.tables[0]
    columns = tuple(c.model_copy(update={"knots": knots}) if c.name == "age" else c for c in person.columns)
    catalogue = CATALOGUE.model_copy(update={"tables": (person.model_copy(update={"columns": columns}), *CATALOGUE.tables[1:])})
    return bound_to("select floor(age / 20) * 20, count(*) from person where sex = 'F' group by 1", catalogue)


def test_a_bin_that_holds_nearly_all_of_a_group_is_a_class() -> None:
    """All women of one age band, all patients of a ward in one year: a histogram showed it."""
    by_year = bound_to("select date_trunc('year', day), count(*) from visit where ward = 'icu' group by 1")
    for bound in (aged(20, 45, 70), by_year):
        every = {(i,) for i in range(len(bound.axes[0].categories))}
        assert disclosed(bound, {(0,): 970, (1,): 30}) == every
        assert disclosed(bound, {(1,): 1000}) == every
        assert not disclosed(bound, {(0,): 900, (1,): 100})


def test_a_bin_that_holds_the_catalogue_s_quantiles_is_no_news() -> None:
    """Everybody knows that nearly all are of that age; of the next band that would be news."""
    assert not disclosed(aged(21, 30, 39), {(1,): 1000})
    assert disclosed(aged(21, 30, 40), {(1,): 1000})
    assert disclosed(aged(21, 30, 39), {(2,): 1000})
    assert not disclosed(aged(81, 90, 100), {(4,): 970, (3,): 30})


def test_a_bin_that_is_one_of_many_of_each_person_is_no_class() -> None:
    """Each has a visit in every year: that says nothing of the other visits."""
    bound = bound_to("select date_trunc('year', day), count(*) from visit where ward = 'icu' group by 1")
    assert not disclosed(bound, {(0,): 100, (1,): 100, (2,): 100}, whole=100)


def test_among_overlapping_cells_only_the_class_is_held_back() -> None:
    """Nearly all have been in day care. The number in intensive care does not tell that."""
    bound = bound_to("select ward, count(*) from visit where ward is not null group by ward")
    found = classes(table_of(bound, evidence(bound, {(0,): 95, (1,): 50, (2,): 40}, 100)), bound, TEN_FIVE)
    assert [one.held_back for one in found] == [((0,),)]


# ---------------------------------------------------------------- in words


def sentences(rules, plan) -> list[str]:
    return [rule.sentence for rule in applied(rules, plan)]


SAID = {
    "select count(*) from person": ["fewer than 10 persons", "multiple of 5"],
    "select sex, avg(age), stddev(age) from person group by sex": ["Means and sums", "Standard deviations", "group's split"],
    "select quantile_cont(age, 0.5) from person": ["Quantiles need 10"],
    "select corr(age, weight) from person": ["Correlations need 50"],
}


@pytest.mark.parametrize("sql", SAID)
def test_the_rules_are_told_to_the_reader(sql: str) -> None:
    """Those that went into the answer, in sentences that fit a release."""
    words = sentences(TEN_FIVE, parse_sql(sql, CATALOGUE))
    assert len(words) <= 32
    assert all(len(sentence) <= 300 for sentence in words)
    for part in SAID[sql]:
        assert any(part in sentence for sentence in words)


def test_rules_that_did_not_apply_are_not_told() -> None:
    """No quantiles where none was asked for, no rounding where there is none."""
    words = " ".join(sentences(EXACT, parse_sql("select count(*) from person", CATALOGUE)))
    for absent in ("Quantiles", "rounded", "Shares", "noise"):
        assert absent not in words


@given(st.lists(st.floats(0, 200), min_size=1, max_size=30))
def test_who_passes_the_dominance_rules_holds_at_most_half(values: list[float]) -> None:
    """Whoever passes the dominance rules holds no more than half, for every list of contributions."""
    seen = spread_of(values)
    if seen.absolute and mean_is_safe(seen, TEN_FIVE):
        assert max(values) <= 0.5 * sum(values) + 1e-9
        assert sum(sorted(values)[-2:]) <= 0.67 * sum(values) + 1e-9
        assert isinstance(seen.who, PersonSet)
