"""Pooling adds what was released and says what is missing; it never makes a total that tells a suppressed part."""

import pytest

from twinpane_broker.pooling import pool
from twinpane_broker.release import Category, Refusal, Release, ReleasedColumn, Row, Value

HASH = "0" * 64
COLUMNS = tuple(ReleasedColumn(name=name, kind=kind) for name, kind in (("sex", "dimension"), ("n", "count"), ("mean_age", "mean")))


def row(code: str | bool | int, n: int | None, mean: float | None = None, values: int | None = None) -> Row:
    return Row(key=(Category(value=code),), persons=n, values=(Value(value=n), Value(value=mean, n=values)))


def release(site: str, *rows: Row, **change: object) -> Release:
    fields = {"id": "0" * 32, "site": site, "plan_hash": HASH, "snapshot": "s", "policy": "10-5/x", "rules": (), "persons": 100}
    return Release(rows=rows, columns=COLUMNS, **{**fields, **change})


def test_counts_add_up_and_means_are_weighted_by_their_released_counts() -> None:
    """(10 at 30, 30 at 50) is 40 at 45."""
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


def test_a_cell_suppressed_everywhere_has_no_number() -> None:
    """Not even a zero."""
    pooled = pool({"north": release("north", row("F", None)), "south": release("south", row("F", None))})
    assert [value.value for value in pooled.rows[0].values] == [None, None]


def test_a_site_without_the_category_is_missing_from_the_sum() -> None:
    """Its persons with that code are among its others."""
    pooled = pool({"north": release("north", row("F", 20), row("X", 15)), "south": release("south", row("F", 30))})
    assert [(line.values[0].value, line.values[0].without) for line in pooled.rows] == [(50, ()), (15, ("south",))]
    assert pooled.rows[1].sites == {"north": row("X", 15), "south": None}


def test_sites_that_refused_or_are_away_are_named_with_their_reason() -> None:
    """And every number is without them."""
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
    """There is nothing to weight it with."""
    pooled = pool({"north": release("north", row("F", 20, 30.0, None)), "south": release("south", row("F", 20, 50.0, 20))})
    assert (pooled.rows[0].values[1].value, pooled.rows[0].values[1].without) == (50.0, ("north",))


def test_a_release_has_rows_that_fit_its_columns() -> None:
    """Impossible tables cannot be built."""
    with pytest.raises(ValueError, match="fit its columns"):
        release("north", Row(key=(), persons=1, values=(Value(value=1),)))
