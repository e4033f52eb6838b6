"""Attacks by one person who counts for many, or many who hide one: fan-out (7.20), negative values (7.30), order statistics (7.26)."""

from pathlib import Path

import pytest

from reference.hospital import EXACT, TEN_FIVE, Hospital
from twinpane_broker.catalogue.catalogue import Catalogue, Column, Table
from twinpane_broker.release.release import Release
from twinpane_broker.rules.policy import Rules
from unit.broker_world import CATALOGUE, codes, drugs, people, visits

from .ward import hospital, is_withheld, refused

RULES = [pytest.param(TEN_FIVE, id="10-5"), pytest.param(EXACT, id="exact counts")]


# ---------------------------------------------------------------- 7.20 fan-out


@pytest.mark.parametrize("rules", RULES)
def test_twelve_rows_of_one_person_are_one_person(tmp_path: Path, rules: Rules) -> None:
    """They would pass a threshold on rows. Tried with one table, and with a join that multiplies rows."""
    rows = [{"person_id": 7, "ward": "icu", "lactate": 19.0}] * 12 + [{"person_id": i, "ward": "er"} for i in range(100, 400)]
    site = hospital(tmp_path, rules, visit=visits(rows))
    assert site.naive("select count(*), avg(lactate) from visit where ward = 'icu'") == [(12, 19.0)]
    for what in ("count(*)", "count(distinct person_id)", "avg(lactate)", "sum(lactate)", "median(lactate)"):
        assert is_withheld(site.ask(f"select {what} from visit where ward = 'icu'"))
    joined = "visit v join drug d on v.person_id = d.patient join person p on v.person_id = p.person_id"
    answer = site.ask(f"select ward, count(*) n, avg(lactate), avg(weight), sum(age) from {joined} group by ward")
    for row in answer.rows if isinstance(answer, Release) else ():
        if row.key[0].value == "icu":
            assert row.suppressed
            assert all(value.suppressed for value in row.values)


@pytest.mark.parametrize("rules", RULES)
def test_one_who_fills_a_group_of_enough_persons_does_not_show(tmp_path: Path, rules: Rules) -> None:
    """Twelve persons, one of whom has nine rows in ten: count, mean and sum would be that person's."""
    rows = [{"person_id": 0, "ward": "icu", "lactate": 19.0}] * 200
    rows += [{"person_id": i, "ward": "icu", "lactate": 1.0} for i in range(1, 20)]
    rows += [{"person_id": i, "ward": "er", "lactate": 1.0 + i % 5} for i in range(100, 400)]
    site = hospital(tmp_path, rules, visit=visits(rows))
    n, mean = site.naive("select count(*), avg(lactate) from visit where ward = 'icu'")[0]
    assert n == 219
    assert mean == pytest.approx(19.0, rel=0.1)
    for what in ("count(*)", "avg(lactate)", "sum(lactate)", "median(lactate)", "quantile_cont(lactate, 0.9)", "stddev(lactate)"):
        assert site.one(f"select {what} from visit where ward = 'icu'") is None, what
        assert site.cells(f"select ward, {what} from visit group by ward")[("icu",)][0] is None, what


def test_rows_of_another_person_do_not_join_in(tmp_path: Path) -> None:
    """A prescription that hangs on another patient's visit belongs to nobody's row."""
    rows = [{"patient": 500 + i, "visit_id": 7, "name": "x"} for i in range(50)]
    site = hospital(tmp_path, drug=drugs(rows))
    joined = "from visit v join drug d on v.visit_id = d.visit_id"
    assert site.naive(f"select count(*) {joined} where d.name = 'x'") == [(50,)]
    assert is_withheld(site.ask(f"select count(*) {joined} where name = 'x'"))


# ---------------------------------------------------------------- 7.30 negative values


BALANCE = Catalogue(
    site="north",
    snapshot="1",
    persons=40,
    tables=(
        Table(
            name="person",
            person_key="person_id",
            columns=(
                Column(name="person_id", type="integer", role="key"),
                Column(name="sex", type="varchar", role="dimension", codes=codes("F", "M")),
                Column(name="balance", type="double", role="measure", bounds=(-1000, 1000)),
            ),
        ),
    ),
)


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize(
    "values",
    [
        pytest.param([-950.0, *[10.0 + i / 10 for i in range(19)]], id="a debtor among creditors"),
        pytest.param([900.0, -880.0, *[10.0 + i / 10 for i in range(18)]], id="a giant and a counter-giant"),
        pytest.param([900.0, *[-45.0 - i / 10 for i in range(19)]], id="a giant who is cancelled out"),
    ],
)
def test_negative_values_do_not_defeat_dominance(tmp_path: Path, rules: Rules, values: list[float]) -> None:
    """Signed shares of a signed total pass or mean nothing. So dominance is judged by absolute contributions."""
    ordered = sorted(values)
    signed = ordered[-1] <= 0.5 * abs(sum(values)) or ordered[0] < 0
    assert signed
    frame = people(40, sex=lambda i: "F" if i < 20 else "M").assign(balance=[*values, *[5.0 + i for i in range(20)]])
    site = Hospital(tmp_path, BALANCE, {"person": frame[["person_id", "sex", "balance"]]}, rules)
    for what in ("avg", "sum"):
        cells = site.cells(f"select sex, {what}(balance) from person group by sex")
        assert cells[("F",)][0] is None
        assert site.one(f"select {what}(balance) from person where sex = 'F'") is None


# ---------------------------------------------------------------- 7.26 order statistics


RECORDS = (
    "max(weight)", "min(age)", "max(weight, 3)", "arg_max(note, weight)", "max_by(note, weight)", "first(weight)", "last(weight)",
    "any_value(weight)", "mode(weight)", "list(weight)", "string_agg(note)", "histogram(weight)", "mad(weight)", "entropy(note)",
    "quantile_cont(weight, 1)", "quantile_cont(weight, 0.999)", "quantile_cont(weight, 0)", "quantile_cont(weight, [0.5, 0.99])",
    "quantile_disc(weight, 0.5)", "reservoir_quantile(weight, 0.5)", "kurtosis(weight)", "count(weight, 3)",
)  # fmt: skip


def test_no_number_is_a_record_of_one_person(tmp_path: Path) -> None:
    """Smallest, largest, first, the n-th, most frequent: each returns somebody's own value."""
    site = hospital(tmp_path, person=people(weight=lambda i: 199.25 if i == 7 else 50.0 + i % 40))
    assert site.naive("select max(weight), arg_max(note, weight) from person") == [(199.25, "canary-7")]
    for what in RECORDS:
        assert refused(f"select {what} from person"), what
    assert refused("select weight, count(*) from person group by weight order by weight desc limit 1")


@pytest.mark.parametrize("rules", RULES)
def test_a_quantile_is_an_edge_of_the_catalogue_not_a_person(tmp_path: Path, rules: Rules) -> None:
    """The median of an odd number of persons is one of them; what is shown is the next edge, the same for whoever it is."""
    from twinpane_broker.catalogue.edges import grid_of

    weights = [50.0 + (i * 37 % 1000) / 31 for i in range(1001)]
    site = hospital(tmp_path, rules, person=people(1001, weight=lambda i: weights[i]))
    edges = grid_of(CATALOGUE.table("person").column("weight"))
    assert site.naive("select median(weight) from person")[0][0] in weights
    for percent in (5, 10, 25, 50, 75, 90, 95):
        shown = site.one(f"select quantile_cont(weight, {percent / 100}) from person")
        assert shown in edges
        assert abs(shown - site.naive(f"select quantile_cont(weight, {percent / 100}) from person")[0][0]) <= edges[2] - edges[1]


@pytest.mark.parametrize("rules", RULES)
def test_a_quantile_of_the_tail_of_few_is_withheld(tmp_path: Path, rules: Rules) -> None:
    """The 95th percentile of forty persons lies between the second and the third."""
    site = hospital(tmp_path, rules, person=people(40, weight=lambda i: 50.0 + i))
    assert site.naive("select quantile_cont(weight, 0.95) from person")[0][0] > 86
    for percent in (0.05, 0.95, 0.1, 0.9):
        assert site.one(f"select quantile_cont(weight, {percent}) from person") is None


def test_histogram_edges_come_from_neither_data_nor_asker(tmp_path: Path) -> None:
    """Edges of a histogram do not come from the data or the asker.

    Edges from the data are its smallest and largest values. Edges that the asker chooses can close in on one person.
    """
    site = hospital(tmp_path, person=people(weight=lambda i: 163.7 if i == 7 else 50.0 + i % 40))
    assert site.naive("select count(*) from person where weight >= 163.6 and weight < 163.8") == [(1,)]
    for sql in (
        "select floor(weight / 0.1) * 0.1 b, count(*) from person group by 1",
        "select floor(weight / 7.3) * 7.3 b, count(*) from person group by 1",
        "select floor((weight - 163) / 5) * 5 b, count(*) from person group by 1",
        "select width_bucket(weight, 163, 164, 10) b, count(*) from person group by 1",
        "select equi_width_bins(min(weight), max(weight), 10, true), count(*) from person",
        "select count(*) from person where weight >= 163.6 and weight < 163.8",
        "select count(*) from person where weight > 163.6",
        "select count(*) from person where weight = 163.7",
        "select ntile(100) over (order by weight) t, count(*) from person group by 1",
    ):
        assert refused(sql)
    histogram = site.cells("select floor(weight / 5) * 5 b, count(*) n from person group by 1")
    assert histogram[("160",)] == (None,)
    assert histogram[("155",)] == (None,)
