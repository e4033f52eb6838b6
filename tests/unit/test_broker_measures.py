"""Measures as a tagged union: each kind has what it is of by its type, and the plan's bytes do not depend on how it is typed."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from twinpane_broker.aggregates import registry
from twinpane_broker.aggregates.aggregate import Aggregate, OfCell, OfPair, OfValues
from twinpane_broker.aggregates.correlation import Correlation
from twinpane_broker.aggregates.quantile import Quantile
from twinpane_broker.aggregates.registry import AGGREGATES, MeasureKind, measure_of
from twinpane_broker.aggregates.share import Share
from twinpane_broker.question.plan import Plan
from twinpane_broker.release.release import ReleasedColumn
from twinpane_broker.release.shown import value_shown
from twinpane_ground.mistakes import first

ICU = {"entry": {"events": [{"table": "visit", "where": {"op": "in", "column": "visit.ward", "codes": ["icu"]}}]}}
PLANS: list[tuple[dict[str, Any], str, str]] = [
    ({"table": "person", "measures": [{"kind": "count"}]},
     "dc557d4ffe0b5c686fc340b11faee3d54110d6680f3bf7905c1f4f9f482ec251",
     "dc557d4ffe0b5c686fc340b11faee3d54110d6680f3bf7905c1f4f9f482ec251"),
    ({"table": "person", "measures": [{"kind": "count", "label": "n"}], "group_by": [{"column": "person.sex"}], "margins": True},
     "5766902c0536745335fcb8ccb84016680424b11b03c388f63c86055ae89782f1",
     "91696142febbad9bdfc86907de968ee762cafac283a067226ea91b9c378ee79c"),
    ({"table": "person", "measures": [{"kind": "persons"}]},
     "d619b7440781443e91c5eba64906e16cf32bf5f8103eac2843ee1348fc1e46a1",
     "d619b7440781443e91c5eba64906e16cf32bf5f8103eac2843ee1348fc1e46a1"),
    ({"table": "person", "measures": [{"kind": "persons", "column": "person.person_id", "label": "who"}], "limit": 3},
     "4849b23f568cb84d5e73749265affc1bdddd4e47edebfdab1da8b2bc2df3b687",
     "d619b7440781443e91c5eba64906e16cf32bf5f8103eac2843ee1348fc1e46a1"),
    ({"table": "person", "measures": [{"kind": "share"}], "group_by": [{"column": "person.sex", "label": "s"}]},
     "c24c2d1f56cc35a111190dba44240d0f31b4b792a5b9a99470df34fb6e6c6e98",
     "14165767b095765e17f7e75be03d74fc7a80b3da059a487e62669df362e21278"),
    ({"table": "person", "measures": [{"kind": "share", "column": "person.person_id", "within": ["person.race", "person.sex"]}],
      "group_by": [{"column": "person.sex"}, {"column": "person.race"}]},
     "9fd7aaf5eee71eee24eacdf2046a1eac5edd64c4e8d0aa6285ba21dbfaf3029d",
     "35bde017c2b1f8dd7d5ae3fbd6d5d55aa57619b82a0c6dc5c4ab891550ea0c21"),
    ({"table": "person", "measures": [{"kind": "mean", "column": "person.age"}],
      "where": {"op": "in", "column": "person.sex", "codes": ["F"]}},
     "4b4f649dc1b9e072feaa8c9d2264c13aff0240c68dc98ba3321b649f54bf087c",
     "4b4f649dc1b9e072feaa8c9d2264c13aff0240c68dc98ba3321b649f54bf087c"),
    ({"table": "person", "measures": [{"kind": "sum", "column": "person.age"}, {"kind": "mean", "column": "person.age", "label": "m"}]},
     "ce4e030f78e5c41343097fb72b25dd6e2564a0433e2044de4a11a347183ec9b7",
     "86432377514dbb6ae2d1bbbf4f96818a61578b0b61b6d03c7ed768b255d85b7d"),
    ({"table": "person", "measures": [{"kind": "sd", "column": "person.age"}], "group_by": [{"column": "person.born", "bin": "quarter"}]},
     "5cc620d23362aaf83f61b2cee5c8835c982d0816c697959cfd8e9a8d2aa65e18",
     "5cc620d23362aaf83f61b2cee5c8835c982d0816c697959cfd8e9a8d2aa65e18"),
    ({"table": "person", "measures": [{"kind": "var", "column": "person.age"}], "group_by": [{"column": "person.age", "width": 10}],
      "order_by": [{"by": "age", "descending": True}]},
     "16cd1553d0229b90f62f83aaac49f03f175997c069fefd0cb8d0ccb93bd1fc22",
     "9818d5228924a21361c2c8d4d76a959d038e7216a21f6c565998da77c1ca9251"),
    ({"table": "person", "measures": [{"kind": "quantile", "column": "person.age", "percent": 5},
                                     {"kind": "quantile", "column": "person.age", "percent": 95}]},
     "e3994a66a8d044ee8c2182011b4f41038c5d8424cdd4834587fd35ab447050b6",
     "e3994a66a8d044ee8c2182011b4f41038c5d8424cdd4834587fd35ab447050b6"),
    ({"table": "person", "measures": [{"kind": "correlation", "column": "person.age", "other": "person.weight", "label": "r"}]},
     "9584692cf06516e9d277c65efb22a9ff3c6aa305a4121def46ab21f571f0d399",
     "357c7aaee08199f8d57d55342be72dd49d1ff12c400d5eb17b992432cd93f10d"),
    ({"table": "person", "joins": [{"table": "visit", "left": "person.person_id", "right": "visit.person_id"}],
      "measures": [{"kind": "count"}, {"kind": "persons"}, {"kind": "mean", "column": "visit.days"}], "cohort": ICU},
     "dec920f8fab0cde2f11bc16f3440e066da02269f4365ee9f1a705edfcd3e2d68",
     "dec920f8fab0cde2f11bc16f3440e066da02269f4365ee9f1a705edfcd3e2d68"),
]  # fmt: skip
"""Plans of all kinds, with the SHA-256 that releases and remembered answers know them by: of the plan, and of its question."""


@pytest.mark.parametrize(("raw", "plan_hash", "question_hash"), PLANS)
def test_a_plan_keeps_its_hash(raw: dict[str, Any], plan_hash: str, question_hash: str) -> None:
    """Remembered answers and releases are found by it, so no version of Twinpane may change it."""
    plan = Plan.model_validate(raw)
    assert plan.hash == plan_hash
    assert plan.question.hash == question_hash
    assert Plan.model_validate_json(plan.canonical()) == plan


def test_a_measure_says_what_it_does_not_take_too() -> None:
    """Every kind's JSON has the same keys."""
    nothing = {"column": None, "other": None, "percent": None, "within": [], "label": None}
    assert measure_of("count").model_dump(mode="json") == {"kind": "count", **nothing}
    mean = measure_of(MeasureKind.mean, column="t.x")
    assert mean.model_dump(mode="json") == {**nothing, "kind": "mean", "column": "t.x"}


def test_every_kind_is_the_aggregate_of_its_name() -> None:
    """The registry misses none, and each is of a cell, of values or of a pair."""
    assert list(AGGREGATES) == list(MeasureKind)
    for kind, aggregate in AGGREGATES.items():
        assert (aggregate.name(), issubclass(aggregate, OfCell | OfValues | OfPair)) == (kind, True)
        assert set(aggregate.model_fields) == set(Aggregate.model_fields), "or the plan's JSON would have another form"


def test_the_kind_tells_the_type() -> None:
    """So nobody has to ask whether a quantile has its percent, or a correlation its second column."""
    raw = [{"kind": "quantile", "column": "t.x", "percent": 95}, {"kind": "correlation", "column": "t.x", "other": "t.y"}]
    assert Plan.model_validate({"table": "t", "measures": raw}).measures == (
        Quantile(column="t.x", percent=95),
        Correlation(column="t.x", other="t.y"),
    )


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"kind": "mean"}, "a mean needs a column"),
        ({"kind": "correlation"}, "a correlation needs a column"),
        ({"kind": "count", "column": "t.x"}, "a count counts rows and takes no column"),
        ({"kind": "correlation", "column": "t.x"}, "a correlation, and nothing else, needs two columns"),
        ({"kind": "mean", "column": "t.x", "other": "t.y"}, "a correlation, and nothing else, needs two columns"),
        ({"kind": "persons", "other": "t.y"}, "a correlation, and nothing else, needs two columns"),
        ({"kind": "quantile", "column": "t.x"}, "a quantile, and nothing else, needs its percent"),
        ({"kind": "sum", "column": "t.x", "percent": 5}, "a quantile, and nothing else, needs its percent"),
        ({"kind": "quantile", "column": "t.x", "percent": 3}, "Input should be 5, 10, 25, 50, 75, 90 or 95"),
        ({"kind": "mean", "column": "t.x", "within": ["t.y"]}, "only a share is within something"),
        ({"kind": "count", "within": ["t.y"]}, "only a share is within something"),
    ],
)
def test_a_wrong_measure_is_refused_in_words(wrong: dict[str, Any], sentence: str) -> None:
    """They say what the kind needs, or what it does not take."""
    with pytest.raises(ValidationError) as refused:
        Plan.model_validate({"table": "t", "measures": [wrong]})
    assert first(refused.value).text == sentence


SHARED = {"__init__", "aggregate", "pooled", "registry", "sums", "true_span", "value"}
"""Modules that several aggregates stand on."""


def test_an_aggregate_is_a_module_and_its_registry_lines() -> None:
    """An aggregate is one module and its lines in the registry.

    What a new one lacks is named: the kind, the union, its names in SQL, a rule, a way to be pooled and shown.
    """
    folder = Path(registry.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} - SHARED == set(MeasureKind)
    assert set(AGGREGATES) == set(MeasureKind)
    for kind, aggregate in AGGREGATES.items():
        assert aggregate.__module__.rpartition(".")[2] == kind
        assert not aggregate.__abstractmethods__, f"{kind} does not say {sorted(aggregate.__abstractmethods__)}"
        assert aggregate.sql, f"{kind} has no name in SQL"
        assert aggregate.under_noise or issubclass(aggregate, OfValues | OfPair)
        assert aggregate.code or issubclass(aggregate, OfCell), f"{kind} names no rule by which it is released"


@pytest.mark.parametrize(
    ("persons", "whole", "off", "shown"), [(15, 40, 2, 38), (15, 40, 0, 37.5), (635, 4000, 2, 15.9), (2000, 4000, 2, 50.0)]
)
def test_a_share_has_the_digits_that_rounding_leaves_it(persons: int, whole: int, off: int, shown: float) -> None:
    """15 of 40, each rounded to 5, is anything from 31 to 45 %: 37.5 would say what nobody knows."""
    assert Share().noisy(persons, whole, off).value == shown


def test_a_whole_percent_is_told_apart_from_tenths() -> None:
    """40 % of a few is not 40.0 % of many, though both are the number 40."""
    column = ReleasedColumn(name="share", kind="share", decimals=0)
    assert [value_shown(Share().noisy(*counts, 2), column, 0) for counts in ((20, 50), (1600, 4000))] == ["40 %", "40.0 %"]
