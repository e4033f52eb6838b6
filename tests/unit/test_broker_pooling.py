"""Pooling adds what was released and says what is missing; it never makes a total that tells a suppressed part."""

import pytest

from twinpane_broker.aggregates.registry import measure_of
from twinpane_broker.aggregates.value import Value
from twinpane_broker.question.category import Category
from twinpane_broker.question.plan import Group, Order, Plan
from twinpane_broker.release.arrange import arranged
from twinpane_broker.release.pooling import pool
from twinpane_broker.release.release import Refusal, Release, ReleasedColumn, Row

HASH = "0" * 64
COLUMNS = tuple(ReleasedColumn(name=name, kind=kind) for name, kind in (("sex", "dimension"), ("n", "count"), ("mean_age", "mean")))


def row(code: str | bool | int, n: int | None, mean: float | None = None, values: int | None = None) -> Row:
    return Row(key=(Category(value=code),), persons=n, values=(Value(value=n), Value(value=mean, n=values)))


def release(site: str, *rows: Row, **change: object) -> Release:
    fields = {"id": "0" * 32, "site": site, "plan_hash": HASH, "snapshot": "s", "policy": "10-5/x", "rules": (), "persons": 100}
    return Release(rows=rows, **{"columns": COLUMNS, **fields, **change})


def test_counts_add_up_and_means_are_weighted_by_counts() -> None:
    """Counts add up, and means are weighted by their released counts: 10 persons at 30 and 30 persons at 50 are 40 at 45."""
    pooled = pool({"north": release("north", row("F", 10, 30.0, 10)), "south": release("south", row("F", 30, 50.0, 30))})
    line = pooled.rows[0]
    assert (line.values[0].value, line.values[0].partial) == (40, False)
    assert (line.values[1].value, line.values[1].partial) == (45.0, False)
    assert pooled.persons.value == 200


def test_a_suppressed_part_makes_the_sum_partial() -> None:
    """At least 30, without north."""
    pooled = pool({"north": release("north", row("F", None)), "south": release("south", row("F", 30, 50.0, 30))})
    assert [(value.value, value.without) for value in pooled.rows[0].values] == [(30, ("north",)), (50.0, ("north",))]
    assert (pooled.rows[0].persons.value, pooled.rows[0].persons.without) == (30, ("north",))


def about(code: str, n: int) -> Row:
    """A cell with the number of a group that its site released before."""
    return Row(key=(Category(value=code),), persons=n, about=True, values=(Value(value=n, about=True), Value()))


def test_a_pooled_number_with_a_part_that_is_about_is_about() -> None:
    """Counts and persons; other cells and the question's persons are not."""
    pooled = pool({"north": release("north", about("F", 110), row("M", 20)), "south": release("south", row("F", 30), row("M", 40))})
    assert [(line.values[0].value, line.values[0].about, line.persons.about) for line in pooled.rows] == [
        (140, True, True),
        (60, False, False),
    ]
    assert not pooled.persons.about
    assert pool({"north": release("north", row("F", 10), about=True)}).persons.about


def test_a_part_that_is_not_in_the_pooled_number_marks_nothing() -> None:
    """A share without its denominator is not pooled, and leaves no mark."""
    parts = Value(value=10.0, n=10, about=True), Value(value=30.0, n=300, of=1000)
    assert [(value.value, value.about) for value in of_kind("share", *parts)] == [(None, False)]
    parts = Value(value=10.0, n=10, of=100, about=True), Value(value=30.0, n=300, of=1000)
    assert [(value.value, value.about) for value in of_kind("share", *parts)] == [(28.2, True)]


def test_a_cell_suppressed_everywhere_has_no_number() -> None:
    """Not even a zero."""
    pooled = pool({"north": release("north", row("F", None)), "south": release("south", row("F", None))})
    assert [value.value for value in pooled.rows[0].values] == [None, None]


def test_a_site_without_the_category_is_missing_from_the_sum() -> None:
    """Its persons with that code are among its others."""
    pooled = pool({"north": release("north", row("F", 20), row("X", 15)), "south": release("south", row("F", 30))})
    assert [(line.values[0].value, line.values[0].without) for line in pooled.rows] == [(50, ()), (15, ("south",))]
    assert pooled.rows[1].sites == {"north": row("X", 15), "south": None}


def test_sites_without_an_answer_are_named_with_their_reason() -> None:
    """Sites that refused or are away are named with their reason, and every number is without them."""
    refusal = Refusal(site="south", plan_hash=HASH, code="withheld")
    pooled = pool({"north": release("north", row("F", 20)), "south": refusal}, {"west": "offline"})
    assert pooled.absent == {"south": "withheld", "west": "offline"}
    assert pooled.released == ("north",)
    assert pooled.rows[0].values[0].without == ("south", "west")
    assert pool({"south": refusal}) is None


def test_true_is_not_one_when_rows_are_matched() -> None:
    """Codes of different types are different categories."""
    pooled = pool({"north": release("north", row(True, 20)), "south": release("south", row(1, 30))})
    assert len(pooled.rows) == 2


def test_answers_to_different_questions_do_not_pool() -> None:
    """Other plans, other columns."""
    with pytest.raises(ValueError, match="one and the same question"):
        pool({"north": release("north", row("F", 20)), "south": release("south", row("F", 20), plan_hash="1" * 64)})


def test_a_mean_without_a_released_count_is_not_pooled() -> None:
    """There is nothing to weight it with, and the other site's alone would pass for both's."""
    pooled = pool({"north": release("north", row("F", 20, 30.0, None)), "south": release("south", row("F", 20, 50.0, 20))})
    mean = pooled.rows[0].values[1]
    assert (mean.value, mean.without, mean.how) == (None, (), "see the sites")


def test_a_release_has_rows_that_fit_its_columns() -> None:
    """Impossible tables cannot be built."""
    with pytest.raises(ValueError, match="fit its columns"):
        release("north", Row(key=(), persons=1, values=(Value(value=1),)))


# ---------------------------------------------------------------- the other kinds


def of_kind(kind: str, *parts: Value, names: tuple[str, ...] = (), plan: Plan | None = None) -> list:
    """The pooled values of a table without groups, one site per part; a part may be a tuple of several measures' values."""
    rows = [part if isinstance(part, tuple) else (part,) for part in parts]
    kinds = names or (kind,)
    columns = tuple(ReleasedColumn(name=f"c{i}", kind=each) for i, each in enumerate(kinds))
    results = {f"s{i}": release(f"s{i}", Row(persons=100, values=row), columns=columns) for i, row in enumerate(rows)}
    return list(pool(results, plan=plan).rows[0].values)


def test_sums_add_up() -> None:
    """Each is a product of shown numbers. A small one is known more finely than a large one, but their sum is not."""
    assert of_kind("sum", Value(value=1_234_000.0), Value(value=456_700.0))[0].value == 1_690_700
    assert of_kind("sum", Value(value=1_230_000.0), Value(value=45_612.0))[0].value == 1_280_000
    assert of_kind("sum", Value(value=0.0), Value(value=0.0))[0].value == 0


def test_shares_are_made_again_from_persons_and_what_they_are_of() -> None:
    """10 of 100 and 300 of 1,000 are 310 of 1,100, not the mean of 10 % and 30 %."""
    pooled = of_kind("share", Value(value=10.0, n=10, of=100), Value(value=30.0, n=300, of=1000))
    assert (pooled[0].value, pooled[0].without) == (28.2, ())


def test_a_share_without_its_persons_is_not_pooled() -> None:
    """Nothing is guessed from percentages, and no pool leaves out a site that shows its own."""
    pooled = of_kind("share", Value(value=10.0), Value(value=30.0, n=300, of=1000))
    assert (pooled[0].value, pooled[0].how) == (None, "see the sites")
    pooled = of_kind("share", Value(), Value(value=30.0, n=300, of=1000))
    assert (pooled[0].value, pooled[0].without) == (30.0, ("s0",))


def test_a_deviation_with_its_means_is_that_of_all_values() -> None:
    """A standard deviation with its means is that of all values.

    Two sites far apart: each spreads by 1 around its mean, all together by about 5.
    """
    plan = Plan(table="t", measures=(measure_of("mean", column="t.x"), measure_of("sd", column="t.x")))
    north, south = (Value(value=10.0, n=100), Value(value=1.0, n=100)), (Value(value=20.0, n=100), Value(value=1.0, n=100))
    spread = of_kind("", north, south, names=("mean", "sd"), plan=plan)[1]
    assert (spread.value, spread.how) == (5.1, "")


def test_without_means_a_deviation_is_within_the_sites() -> None:
    """The differences between the sites' means are unknown."""
    spread = of_kind("sd", Value(value=3.0, n=101), Value(value=4.0, n=101))[0]
    assert (spread.value, spread.how) == (3.5, "within the sites")


def test_another_columns_mean_helps_no_standard_deviation() -> None:
    """A mean of another column does not help a standard deviation, which needs the mean of the same values."""
    plan = Plan(table="t", measures=(measure_of("mean", column="t.y"), measure_of("sd", column="t.x")))
    parts = (Value(value=10.0, n=100), Value(value=1.0, n=100)), (Value(value=20.0, n=100), Value(value=1.0, n=100))
    assert of_kind("", *parts, names=("mean", "sd"), plan=plan)[1].how == "within the sites"


def test_a_suppressed_mean_makes_the_spread_one_within_sites() -> None:
    """The spread does not fill in the suppressed mean."""
    plan = Plan(table="t", measures=(measure_of("mean", column="t.x"), measure_of("var", column="t.x")))
    parts = (Value(), Value(value=1.0, n=100)), (Value(value=20.0, n=100), Value(value=1.0, n=100))
    pooled = of_kind("", *parts, names=("mean", "var"), plan=plan)
    assert (pooled[0].without, pooled[1].value, pooled[1].how) == (("s0",), 1.0, "within the sites")


def test_the_pooled_spread_is_that_of_the_pooled_values() -> None:
    """Against numpy, on values that were split over three sites."""
    import numpy as np

    rng = np.random.default_rng(7)
    sites = [rng.normal(mean, spread, size) for mean, spread, size in ((50, 10, 400), (60, 12, 200), (40, 5, 100))]
    plan = Plan(table="t", measures=(measure_of("mean", column="t.x"), measure_of("sd", column="t.x")))
    parts = [(Value(value=float(x.mean()), n=len(x)), Value(value=float(x.std(ddof=1)), n=len(x))) for x in sites]
    spread = of_kind("", *parts, names=("mean", "sd"), plan=plan)[1].value
    assert spread == float(f"{np.concatenate(sites).std(ddof=1):.1e}")


def test_correlations_are_pooled_by_fishers_z() -> None:
    """Weighted by n - 3; two equal ones stay what they are; it is one within the sites."""
    same = of_kind("correlation", Value(value=0.5, n=100), Value(value=0.5, n=50))[0]
    assert (same.value, same.how) == (0.5, "within the sites")
    assert of_kind("correlation", Value(value=0.9, n=103), Value(value=-0.9, n=103))[0].value == 0
    assert of_kind("correlation", Value(value=1.0, n=103), Value(value=0.0, n=3))[0].value == 1.0


def test_quantiles_are_not_pooled() -> None:
    """No function of the sites' medians is the median of all."""
    pooled = of_kind("quantile", Value(value=50, n=100), Value(value=60, n=100))[0]
    assert (pooled.value, pooled.without, pooled.how) == (None, (), "see the sites")


def test_totals_pool_like_cells_and_never_tell_a_suppressed_part() -> None:
    """North's total holds its suppressed F; the pooled total adds totals, the pooled F adds the parts that were released."""
    total = Category(kind="total")

    def line(key: Category, n: int | None) -> Row:
        return Row(key=(key,), persons=n, values=(Value(value=n), Value()))

    north = release("north", line(Category(value="F"), None), line(Category(value="M"), 50), line(total, 60))
    south = release("south", line(Category(value="F"), 30), line(Category(value="M"), 40), line(total, 70))
    rows = pool({"north": north, "south": south}).rows
    assert [(row.key[0].text, row.values[0].value, row.values[0].without) for row in rows] == [
        ("F", 30, ("north",)), ("M", 90, ()), ("all", 130, ()),
    ]  # fmt: skip
    assert [row.is_total for row in rows] == [False, False, True]


def test_categories_come_in_one_order_with_totals_last() -> None:
    """A bin that only the second site has stands between its neighbours, not at the end."""
    keys = {"north": (10, 30, "missing", "total"), "south": (20, 30, 40, "missing", "total")}

    def line(key: object) -> Row:
        category = Category(kind=key) if key in ("missing", "total") else Category(value=key)
        return Row(key=(category,), persons=20, values=(Value(value=20), Value()))

    pooled = pool({site: release(site, *map(line, each)) for site, each in keys.items()})
    assert [row.key[0].text for row in pooled.rows] == ["10", "20", "30", "40", "(missing)", "all"]
    codes = {"north": ("never", "now", "total"), "south": ("never", "former", "now", "pipe", "total")}
    merged = pool({site: release(site, *map(line, each)) for site, each in codes.items()})
    assert [row.key[0].text for row in merged.rows] == ["never", "former", "now", "pipe", "all"]


def test_a_category_goes_by_the_first_label_that_a_site_gives_it() -> None:
    """One line, not two."""
    female = Row(key=(Category(value="F", label="female"),), persons=20, values=(Value(value=20), Value()))
    pooled = pool({"a": release("a", row("F", 20)), "b": release("b", female)})
    assert [each.key[0].text for each in pooled.rows] == ["female"]


def test_order_and_limit_leave_the_totals_below() -> None:
    """A limit counts cells; a total is no cell."""
    plan = Plan(table="t", group_by=(Group(column="t.sex"),), measures=(measure_of("count", label="n"),), margins=True,
                order_by=(Order(by="n", descending=True),), limit=1)  # fmt: skip
    made = release("north", row("F", 20), row("M", 30), Row(key=(Category(kind="total"),), persons=50, values=(Value(value=50), Value())))
    assert [each.key[0].text for each in arranged(made.rows, plan)] == ["M", "all"]


def test_a_refusal_for_todays_cap_is_named_like_any_other() -> None:
    """Its one text says when to come back."""
    refusal = Refusal(site="south", plan_hash=HASH, code="capped")
    assert "until tomorrow" in refusal.reason
    assert pool({"north": release("north", row("F", 20)), "south": refusal}).absent == {"south": "capped"}
