"""The catalogue is published unasked and for good, so the draft itself keeps the disclosure rules."""

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest

from twinpane_broker.catalogue.catalogue import Role
from twinpane_broker.rules.policy import Rules
from twinpane_site.draft import draft_catalogue

RULES = Rules(threshold=10)
PERSONS = 600


def _draft(folder, rules=RULES, key="person_id", **more):
    return draft_catalogue(folder, key, "alder", "Alder", rules, "s1", **more).catalogue


def _write(folder, **tables):
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
    return folder


def _data(seed=0):
    rng = np.random.default_rng(seed)
    person = pd.DataFrame(
        {
            "person_id": np.arange(1, PERSONS + 1),
            "sex": rng.choice(["f", "m"], PERSONS),
            "race": rng.choice(["a", "b", "c"], PERSONS, p=[0.7, 0.27, 0.03]),
            "age": rng.integers(18, 90, PERSONS),
            "weight": np.round(rng.normal(75, 12, PERSONS), 1),
            "born": pd.to_datetime("1930-01-01") + pd.to_timedelta(rng.integers(0, 25000, PERSONS), "D"),
            "nickname": [f"nick-{i}" for i in range(PERSONS)],
        }
    )
    many = rng.poisson(2, PERSONS)
    owner = np.repeat(person["person_id"].to_numpy(), many)
    lab = pd.DataFrame(
        {
            "person_id": owner,
            "measurement_concept_id": rng.choice([101, 102], len(owner)),
            "value_as_number": np.where(rng.random(len(owner)) < 0.1, np.nan, np.round(rng.gamma(3, 2, len(owner)), 1)),
            "measurement_date": pd.to_datetime("2015-01-01") + pd.to_timedelta(rng.integers(0, 3000, len(owner)), "D"),
        }
    )
    return person, lab


def _without(tables, person):
    return [table[table["person_id"] != person] for table in tables]


def _close(one, other):
    """That two catalogues differ at most by what one person may change: a rounding step."""
    assert abs(one.persons - other.persons) <= 5
    assert [t.name for t in one.tables] == [t.name for t in other.tables]
    for first, second in zip(one.tables, other.tables, strict=True):
        assert len(first.rows_per_person) == len(second.rows_per_person)
        assert all(abs(a - b) <= 0.011 for a, b in zip(first.rows_per_person, second.rows_per_person, strict=True))
        for a, b in zip(first.columns, second.columns, strict=True):
            where = f"{first.name}.{a.name}"
            assert (a.name, a.type, a.role, a.precision) == (b.name, b.type, b.role, b.precision), where
            assert [c.value for c in a.codes] == [c.value for c in b.codes], where
            step = 0.0011 + 5 / (PERSONS - 20) * 1.5
            assert all(abs(x.share - y.share) <= step for x, y in zip(a.codes, b.codes, strict=True)), where
            assert abs(a.missing - b.missing) <= 0.011, where
            assert len(a.knots) == len(b.knots), where
            coarse = (a.bounds[1] - a.bounds[0]) / 5 if a.bounds else 0
            assert all(abs(x - y) <= coarse for x, y in zip(a.knots, b.knots, strict=True)), where
            assert a.bounds is None or all(abs(x - y) <= 2 * coarse for x, y in zip(a.bounds, b.bounds, strict=True)), where
            step_of_time = max((b.days[-1] - b.days[0]).days / 8, 31) if b.days else 0
            assert all(abs((x - y).days) <= step_of_time for x, y in zip(a.days, b.days, strict=True)), where


@pytest.mark.slow
@pytest.mark.parametrize("gone", [1, 17, 300, PERSONS])
def test_one_person_changes_the_catalogue_by_rounding_at_most(tmp_path, gone):
    """One person more or less changes the catalogue at most by rounding steps."""
    tables = _data()
    person, lab = tables
    fewer_person, fewer_lab = _without(tables, gone)
    _close(
        _draft(_write(tmp_path / "a", person=person, measurement=lab)),
        _draft(_write(tmp_path / "b", person=fewer_person, measurement=fewer_lab)),
    )


def test_a_person_with_thousands_of_rows_counts_like_any_other(tmp_path):
    person, lab = _data()
    heavy = pd.DataFrame(
        {
            "person_id": 5,
            "measurement_concept_id": 101,
            "value_as_number": 9999.5,
            "measurement_date": pd.Timestamp("2001-01-01"),
        },
        index=range(5000),
    )
    loud = _draft(_write(tmp_path / "a", person=person, measurement=pd.concat([lab, heavy])))
    _close(_draft(_write(tmp_path / "b", person=person, measurement=lab)), loud)
    assert "9999" not in loud.model_dump_json()


def test_a_canary_person_leaves_no_trace(tmp_path):
    person, lab = _data()
    canary = pd.DataFrame(
        {
            "person_id": [987_654_321],
            "sex": ["canary-sex"],
            "race": ["canary-race"],
            "age": [7_654_321],
            "weight": [123_456.789],
            "born": [pd.Timestamp("1777-07-07")],
            "nickname": ["canary-nick"],
        }
    )
    canary_lab = pd.DataFrame(
        {
            "person_id": 987_654_321,
            "measurement_concept_id": 424_242,
            "value_as_number": [-55_555.5, 77_777.125],
            "measurement_date": [pd.Timestamp("1777-07-08"), pd.Timestamp("2666-06-06")],
        }
    )
    before = _draft(_write(tmp_path / "a", person=person, measurement=lab))
    after = _draft(_write(tmp_path / "b", person=pd.concat([person, canary]), measurement=pd.concat([lab, canary_lab])))
    _close(before, after)
    text = after.model_dump_json()
    for trace in ("canary", "987654321", "7654321", "123456", "1777", "424242", "55555", "77777", "2666"):
        assert trace not in text, trace


@pytest.mark.parametrize(("holders", "listed"), [(9, False), (10, True)])
def test_a_code_is_listed_from_the_threshold_of_persons_on(tmp_path, holders, listed):
    """A code is listed from the threshold of distinct persons on."""
    person, _ = _data()
    owners = [*range(1, 501), *np.repeat(range(1, holders + 1), 40)]
    rows = pd.DataFrame({"person_id": owners, "code": ["usual"] * 500 + ["rare"] * 40 * holders})
    catalogue = _draft(_write(tmp_path, person=person, event=rows))
    assert ("rare" in [c.value for c in catalogue.table("event").column("code").codes]) is listed
    assert ("rare" in catalogue.model_dump_json()) is listed


def test_every_listed_code_is_held_by_enough_persons(tmp_path):
    """Every listed code of random data is held by enough persons."""
    rng = np.random.default_rng(5)
    codes = np.array([f"c{i}" for i in range(40)])
    person = pd.DataFrame({"person_id": range(PERSONS), "code": codes[np.minimum(rng.geometric(0.15, PERSONS), 39)]})
    listed = {c.value for c in _draft(_write(tmp_path, person=person)).table("person").column("code").codes}
    held = person.groupby("code")["person_id"].nunique()
    assert listed == set(held[held >= 10].index)


def test_shares_do_not_tell_of_a_remainder_below_the_threshold(tmp_path):
    person = pd.DataFrame({"person_id": range(1000), "sex": ["f"] * 991 + ["m"] * 9})
    codes = _draft(_write(tmp_path, person=person)).table("person").column("sex").codes
    assert [(c.value, c.share) for c in codes] == [("f", 1.0)]


@pytest.mark.parametrize(("lacking", "said"), [(0, 0.0), (9, 0.0), (10, 0.02), (60, 0.1), (590, 0.98)])
def test_a_missing_share_needs_enough_persons_on_both_sides(tmp_path, lacking, said):
    """A missing share is published only if enough persons lack a value and enough have one."""
    person = pd.DataFrame({"person_id": range(PERSONS), "flag": [None] * lacking + ["x"] * (PERSONS - lacking)})
    assert _draft(_write(tmp_path, person=person)).table("person").column("flag").missing == said


def test_a_nearly_empty_column_is_hidden(tmp_path):
    """A column with values of very few persons is hidden, and the catalogue says nothing about it."""
    person = pd.DataFrame({"person_id": range(PERSONS), "flag": [None] * (PERSONS - 9) + ["x"] * 9, "none": [None] * PERSONS})
    table = _draft(_write(tmp_path, person=person)).table("person")
    flag = next(c for c in table.columns if c.name == "flag")
    assert flag.role is Role.hidden
    assert flag.missing == 0.0
    assert not flag.codes


def test_bounds_and_knots_are_never_the_extremes(tmp_path):
    person, _ = _data()
    person["weight"] = person["weight"].where(person["person_id"] > 9, 4321.1)
    person["age"] = person["age"].where(person["person_id"] != 30, -44)
    table = _draft(_write(tmp_path, person=person)).table("person")
    assert table.column("weight").bounds[1] <= 150
    assert table.column("age").bounds[0] >= 0
    for name in ("weight", "age"):
        column = table.column(name)
        assert column.bounds[0] <= column.knots[0] <= column.knots[-1] <= column.bounds[1]
        assert list(column.knots) == sorted(column.knots)


def test_knots_with_few_persons_behind_lie_on_a_coarse_grid(tmp_path):
    """Knots lie on a coarse grid when few persons stand behind them."""
    rng = np.random.default_rng(1)
    person = pd.DataFrame({"person_id": range(120), "value": rng.normal(1000, 100, 120).round(3)})
    knots = _draft(_write(tmp_path, person=person)).table("person").column("value").knots
    assert len(knots) == 10
    assert all(k % 50 == 0 for k in knots)


def test_a_measure_or_date_of_few_persons_is_hidden(tmp_path):
    """A measure or date with values of fewer persons than ten times the threshold is hidden."""
    rng = np.random.default_rng(1)
    person = pd.DataFrame(
        {
            "person_id": range(99),
            "value": rng.normal(0, 1, 99),
            "day": pd.to_datetime("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, 99), "D"),
        }
    )
    table = _draft(_write(tmp_path, person=person)).table("person")
    assert [c.role for c in table.columns] == [Role.key, Role.hidden, Role.hidden]


def test_dates_are_told_by_months_or_longer_steps(tmp_path):
    """Dates are published by month, or by longer steps if they come from few persons."""
    person, lab = _data()
    table = _draft(_write(tmp_path, person=person, measurement=lab)).table("measurement")
    days = table.column("measurement_date").days
    assert len(days) == 19
    assert all(day.day == 1 and day.month in (1, 7) for day in days)
    assert days == tuple(sorted(days))
    assert days[0] >= dt.date(2015, 1, 1)


def test_what_few_persons_have_many_of_is_counted_as_fewer(tmp_path):
    person = pd.DataFrame({"person_id": range(PERSONS)})
    owners = [*range(300), *range(300), *np.repeat(range(3), 20)]
    event = pd.DataFrame({"person_id": owners, "code": "x"})
    assert _draft(_write(tmp_path, person=person, event=event)).table("event").rows_per_person == (0.5, 0.0, 0.5)


def test_shares_of_rows_do_not_tell_a_number_of_persons_exactly(tmp_path):
    said = set()
    for having in range(48, 53):
        pd.DataFrame({"person_id": range(100)}).to_parquet(tmp_path / "person.parquet")
        pd.DataFrame({"person_id": range(having), "code": "x"}).to_parquet(tmp_path / "event.parquet")
        said.add(_draft(tmp_path).table("event").rows_per_person)
    assert said == {(0.5, 0.5)}


def test_pairs_of_name_and_code_held_by_few_are_not_told(tmp_path):
    """Pairs of name and code that few persons hold are not told."""
    person = pd.DataFrame(
        {
            "person_id": range(PERSONS),
            "race_concept_id": [1] * 400 + [2] * 200,
            "race": ["one"] * 400 + ["two"] * 191 + ["one"] * 9,
        }
    )
    column = _draft(_write(tmp_path, person=person)).table("person").column("race")
    assert [(g.code, g.value) for g in column.given] == [(1, "one"), (2, "two")]


def test_a_disease_that_only_one_sex_has_is_not_told_as_a_rule(tmp_path):
    person = pd.DataFrame({"person_id": range(PERSONS), "sex": ["f", "m"] * 300, "disease": ["x", "y"] * 300})
    table = _draft(_write(tmp_path, person=person)).table("person")
    assert table.column("disease").follows is None
    assert table.column("sex").follows is None


def test_a_lenient_policy_makes_no_exact_catalogue(tmp_path):
    """Exact counts of a lenient policy do not make an exact catalogue."""
    lenient = Rules(preset="cms-11", threshold=11, base=1, zeros="shown")
    person = pd.DataFrame({"person_id": range(613), "sex": ["f"] * 300 + ["m"] * 313})
    assert _draft(_write(tmp_path, person=person), rules=lenient).persons == 610


def test_a_sample_of_a_large_source_keeps_the_threshold(tmp_path):
    """A sample of a large source keeps the threshold and the number of persons."""
    rng = np.random.default_rng(2)
    person = pd.DataFrame({"person_id": range(20_000), "sex": rng.choice(["f", "m"], 20_000), "age": rng.integers(0, 100, 20_000)})
    draft = draft_catalogue(_write(tmp_path, person=person), "person_id", "alder", "", RULES, "s1", sample=2_000)
    assert draft.catalogue.persons == 20_000
    assert any("sample of about 2,000 persons" in note for note in draft.notes)
    assert [round(c.share, 1) for c in draft.catalogue.table("person").column("sex").codes] == [0.5, 0.5]


def test_the_same_data_gives_the_same_bytes_again(tmp_path):
    person, lab = _data()
    folder = _write(tmp_path, person=person, measurement=lab)
    assert _draft(folder).canonical() == _draft(folder).canonical()


def test_codes_stand_in_order_of_value_not_of_count(tmp_path):
    """Codes stand in the order of their values, not of their counts."""
    person = pd.DataFrame({"person_id": range(PERSONS), "code": ["a"] * 20 + ["b"] * 500 + ["c"] * 80})
    assert [c.value for c in _draft(_write(tmp_path, person=person)).table("person").column("code").codes] == ["a", "b", "c"]
    assert json.loads(_draft(tmp_path).model_dump_json())
