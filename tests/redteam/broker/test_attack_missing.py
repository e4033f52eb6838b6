"""Attacks by who lacks a value: what is shown of a column's values must not tell whether a few of a known group have none (7.19)."""

from pathlib import Path

import pytest

from reference.hospital import TEN_FIVE
from twinpane_broker.catalogue.catalogue import Catalogue
from twinpane_site.draft import draft_catalogue
from unit.broker_world import CATALOGUE, people, visits

from .ward import hospital


def lacks_values(missing: float = 0.1) -> Catalogue:
    """The catalogue of which the weight and the lactate may be missing."""
    tables = tuple(
        table.model_copy(update={"columns": tuple(
            each.model_copy(update={"missing": missing}) if each.name in ("weight", "lactate") else each for each in table.columns
        )}) for table in CATALOGUE.tables
    )  # fmt: skip
    return CATALOGUE.model_copy(update={"tables": tables})


OF_WOMEN = "FROM person WHERE sex = 'F'"
OF_VISITS = "FROM visit JOIN person ON person.person_id = visit.person_id WHERE person.sex = 'F'"


@pytest.mark.parametrize(("column", "of"), [("weight", OF_WOMEN), ("visit.lactate", OF_VISITS)])
@pytest.mark.parametrize("women", [27, 28, 60])
def test_what_is_shown_does_not_tell_whether_a_few_lack_a_value(tmp_path: Path, column: str, of: str, women: int) -> None:
    """Of a group in which nobody lacks a weight, one does, or nine do: the same numbers are shown, of as many values, each time asked."""
    seen = []
    for lacking in (0, 1, 9):
        person = people(sex=lambda i: "F" if i < women else "M", weight=lambda i, n=lacking: None if i < n else 50.0 + i % 40)
        rows = [{"person_id": i, "lactate": None if i < lacking else 1.0 + i % 7} for i in range(1000)]
        site = hospital(tmp_path / str(lacking), catalogue=lacks_values(), person=person, visit=visits(rows))
        answers = [site.ask(f"SELECT {each} {of}") for each in (
            "count(*), count(distinct person.person_id)", f"avg({column})", f"stddev({column}), sum({column})", f"median({column})",
        )]  # fmt: skip
        values = [value for answer in answers for value in answer.rows[0].values]
        seen.append([(value.suppressed, value.about, value.n, value.within) for value in values])
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][2][0] == (women < 28)


@pytest.mark.parametrize("women", [20, 60])
def test_a_drafted_catalogue_does_not_tell_of_a_few(tmp_path: Path, women: int) -> None:
    """A draft calls no number complete, as nobody lacks a value today: means look alike, whether one woman lacks one or nobody."""
    seen = []
    for lacking in (0, 1, 9):
        folder = tmp_path / str(lacking)
        person = people(sex=lambda i: "F" if i < women else "M", weight=lambda i, n=lacking: None if i < n else 50.0 + i % 40)
        folder.mkdir()
        person.drop(columns=["note", "mrn"]).to_parquet(folder / "person.parquet")
        catalogue = draft_catalogue(folder, "person_id", "north", "North", TEN_FIVE, "2026-10").catalogue
        site = hospital(folder, catalogue=catalogue, person=person)
        values = [site.ask(f"SELECT {each} {OF_WOMEN}").rows[0].values[0] for each in ("avg(weight)", "sum(weight)", "median(weight)")]
        weight = catalogue.known_table("person").known_column("weight")
        seen.append([(weight.missing, weight.may_lack), *((value.suppressed, value.about, value.n, value.within) for value in values)])
    assert seen[0] == seen[1] == seen[2]


def test_a_correlation_does_not_tell_whether_a_few_lack_a_value(tmp_path: Path) -> None:
    """Nor does any number of two columns of which one may be missing."""
    seen = []
    for lacking in (0, 1, 9):
        person = people(weight=lambda i, n=lacking: None if i < 2 * n else 50.0 + i % 40)
        site = hospital(tmp_path / str(lacking), catalogue=lacks_values(), person=person)
        site.ask(f"SELECT count(*) {OF_WOMEN}")
        (value,) = site.ask(f"SELECT corr(age, weight) {OF_WOMEN}").rows[0].values
        seen.append((value.suppressed, value.n, value.within))
    assert seen[0] == seen[1] == seen[2] == (False, 500, (478, 504))


def test_of_few_who_may_lack_a_value_no_correlation_is_told(tmp_path: Path) -> None:
    """A correlation needs fifty persons, and as many where eighteen of them have no weight: of sixty it is not told."""
    for lacking in (0, 1, 9):
        person = people(sex=lambda i: "F" if i < 60 else "M", weight=lambda i, n=lacking: None if i < n else 50.0 + i % 40)
        site = hospital(tmp_path / str(lacking), catalogue=lacks_values(), person=person)
        assert site.ask(f"SELECT corr(age, weight) {OF_WOMEN}").rows[0].values[0].suppressed


@pytest.mark.parametrize("lacking", [0, 1, 9])
def test_a_mean_of_those_with_a_value_is_their_own(tmp_path: Path, lacking: int) -> None:
    """It is shown, and right, with the number of the group for that of its values; a sum is made of both, and marked."""
    person = people(weight=lambda i: None if i < 2 * lacking else 50.0 + i % 40)
    site = hospital(tmp_path, catalogue=lacks_values(), person=person)
    mean, total = site.ask(f"SELECT avg(weight), sum(weight) {OF_WOMEN}").rows[0].values
    true = person[(person.sex == "F")].weight.mean()
    assert mean.value == pytest.approx(true, abs=0.05)
    assert not mean.about
    assert total.about
    assert total.value == pytest.approx(500 * mean.value, abs=500)  # to the digit that the number of values leaves sure
    assert mean.n == total.n == 500
    assert mean.within == total.within == (478, 504)


def test_where_many_lack_a_value_their_number_is_told(tmp_path: Path) -> None:
    """A hundred persons more or less are another set, which has its own number."""
    person = people(weight=lambda i: None if i < 200 else 50.0 + i % 40)
    site = hospital(tmp_path, catalogue=lacks_values(), person=person)
    mean, total = site.ask(f"SELECT avg(weight), sum(weight) {OF_WOMEN}").rows[0].values
    assert (mean.n, mean.within, total.about) == (400, None, False)


def test_a_mean_after_a_column_with_gaps_is_not_told_again(tmp_path: Path) -> None:
    """A catalogue says that weights lack nothing, and half of them are missing: a mean of ages beside one of weights counts as told.

    It is of other persons than the mean of weights. A mean of the ages of all but three of these would tell of the three.
    """
    person = people(weight=lambda i: 50.0 + i % 40 if i % 4 else None, smoker=lambda i: i % 2 == 0 and i > 4)
    site = hospital(tmp_path, person=person)
    first = site.ask("SELECT avg(weight), avg(age) FROM person WHERE sex = 'F'").rows[0].values
    assert [value.suppressed for value in first] == [False, False]
    near = site.ask("SELECT count(*), avg(age) FROM person WHERE smoker = true")
    assert near.about
    assert near.rows[0].values[1].suppressed
