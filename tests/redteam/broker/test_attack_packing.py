"""Attacks that put many persons' values into one number: packing (7.2), exact means (7.7, 7.8), masks (7.10), low bits (7.18)."""

import math
from fractions import Fraction
from pathlib import Path

import pytest

from reference.hospital import EXACT
from unit.broker_world import people

from .ward import hospital, refused

# ---------------------------------------------------------------- 7.2 packing


def test_a_sum_of_an_expression_packs_a_ward_into_one_number(tmp_path: Path) -> None:
    """Plain SQL gives every bit of fifteen persons under a group count of 15; a plan has plain columns only."""
    site = hospital(tmp_path, person=people(15))
    packed = int(site.naive("select sum(1000000 + smoker::int * 2 ** (person_id % 15)) from person")[0][0]) - 15_000_000
    assert [bool(packed >> i & 1) for i in range(15)] == [i % 5 == 0 for i in range(15)]
    for expression in (
        "sum(1000000 + smoker::int * 2 ** person_id)",
        "sum(age * 100)",
        "sum(age + weight)",
        "avg(age * weight)",
        "sum(power(2, person_id))",
        "sum(case when smoker then 1 else 0 end)",
        "sum(if(smoker, 1, 0))",
        "avg(smoker::int)",
        "sum(age::bigint << 3)",
        "sum(-age)",
        "sum(coalesce(age, 0))",
        "sum(age) filter (where smoker)",
        "sum(distinct age)",
        "product(age)",
        "bit_xor(age)",
        "sum(person_id)",
    ):
        assert refused(f"select {expression} from person")


def test_a_join_does_not_weigh_persons_by_powers_of_two(tmp_path: Path) -> None:
    """Rows of another table serve as weights: 1, 2, 4 … visits. The person with half of the rows dominates, so the count is withheld."""
    from unit.broker_world import visits

    rows = [{"person_id": i, "ward": "icu"} for i in range(15) for _ in range(2**i // 8 + 1)]
    rows += [{"person_id": i, "ward": "er"} for i in range(100, 400)]
    site = hospital(tmp_path, EXACT, visit=visits(rows))
    of_smokers = "select count(*) from visit v join person p on v.person_id = p.person_id where smoker = true and ward = 'icu'"
    everyone = "select count(*) from visit where ward = 'icu'"
    told = site.naive(of_smokers)[0][0]
    assert told == sum(2**i // 8 + 1 for i in range(15) if i % 5 == 0)
    assert site.one(everyone) is None
    assert site.one(of_smokers) is None


# ---------------------------------------------------------------- 7.7 and 7.8 exact means


def denominators(mean: float, window: range) -> list[int]:
    """The counts with which whole numbers have this mean, as exactly as it is written."""
    digits = max(0, -math.floor(math.log10(abs(mean))) + 15)
    return [n for n in window if any(round(total / n, digits) == round(mean, digits) for total in (round(mean * n),))]


def shown_like(mean: float, n: int, digits: int) -> bool:
    """Whether some whole-number total over n is shown as this mean."""
    middle = round(mean * n)
    return any(float(f"{total / n:.{digits - 1}e}") == mean for total in range(middle - 3 * n, middle + 3 * n + 1))


def test_an_exact_mean_does_not_tell_a_rounded_count(tmp_path: Path) -> None:
    """An exact mean does not tell the count behind a rounded one.

    Whole ages have few means: the exact one fits one count of a rounding window, the released one fits them all (GRIM).
    """
    site = hospital(tmp_path, person=people(303, age=lambda i: 20 + (i * i) % 61))
    exact = site.naive("select avg(age) from person")[0][0]
    window = range(303, 308)
    assert denominators(exact, window) == [303]
    released = site.one("select avg(age) from person")
    assert all(shown_like(released, n, 3) for n in range(303, 308))


def test_digits_of_a_mean_are_no_continued_fraction(tmp_path: Path) -> None:
    """The best rational approximation of an exact mean has its count as denominator (7.8)."""
    site = hospital(tmp_path, person=people(307, age=lambda i: 20 + (i * 7) % 61))
    exact = site.naive("select avg(age) from person")[0][0]
    assert 307 % Fraction(exact).limit_denominator(1000).denominator == 0
    released = site.one("select avg(age) from person")
    guess = Fraction(released).limit_denominator(1000).denominator
    assert guess <= 100
    assert 307 % guess != 0 or guess == 1


def test_digits_of_a_mean_beside_a_mark_do_not_tell_how_many(tmp_path: Path) -> None:
    """Where counts are exact too: of 59 or 60 persons beside a number that is about, a third digit would fit one number only (GRIM)."""
    for lacking in (0, 1):
        person = people(
            sex=lambda i: "F" if i < 60 else "M", race=lambda i, n=lacking: "a" if n <= i < 60 else "b", age=lambda i: 3 + i % 7
        )
        site = hospital(tmp_path / str(lacking), EXACT, person=person)
        site.ask("select count(*) from person where sex = 'F'")
        (row,) = site.ask("select avg(age) from person where race = 'a'").rows
        assert row.about
        assert row.values[0].value is not None
        assert row.values[0].value == round(row.values[0].value, 1)


def test_an_exact_mean_beside_a_count_gives_back_no_person(tmp_path: Path) -> None:
    """An exact mean beside a count does not give back a person.

    Mean times count of everybody, less the known sum of everybody else, is one person's 150 kg. Three digits leave 100 kg open.
    """
    site = hospital(tmp_path, person=people(1000, weight=lambda i: 150.0 if i == 7 else 60.0 + i % 11))
    frame = site.tables["person"]
    known = frame[frame.person_id != 7].weight.sum()
    assert site.naive("select avg(weight) from person")[0][0] * 1000 - known == pytest.approx(150.0, abs=1e-6)
    mean, total = site.cells("select avg(weight), sum(weight) from person")[()]
    for number, step in ((mean, 0.1), (total / 1000, 0.1)):
        assert number == float(f"{number:.2e}")
        least, most = (1000 * (number + half * step / 2) - known for half in (-1, 1))
        assert least <= 150 <= most
        assert most - least >= 100 - 1e-6


# ---------------------------------------------------------------- 7.10 a mask


def test_a_mask_of_zeros_and_a_one_cannot_be_multiplied_in(tmp_path: Path) -> None:
    """Count-only rules let through the mean of mask times value (dsBase issue 250)."""
    site = hospital(tmp_path)
    masked = site.naive("select avg(case when person_id = 7 then weight else 0 end), count(*) from person")[0]
    assert masked[0] * masked[1] == pytest.approx(57.0)
    assert refused("select avg(case when person_id = 7 then weight else 0 end) from person")
    assert refused("select avg(weight * (person_id = 7)::int) from person")
    assert refused("select avg(weight) from person where person_id = 7")


def test_a_column_that_is_a_mask_already_is_dominated(tmp_path: Path) -> None:
    """All zero but one person: the data itself may be a mask."""
    site = hospital(tmp_path, person=people(weight=lambda i: 80.0 if i == 7 else 0.0))
    assert site.naive("select sum(weight) from person") == [(80.0,)]
    for measure in ("avg", "sum", "stddev", "variance"):
        assert site.one(f"select {measure}(weight) from person") is None


# ---------------------------------------------------------------- 7.18 low bits


def test_the_low_bits_of_a_number_tell_nothing(tmp_path: Path) -> None:
    """A person marked by a millionth of a kilogram shows in an exact mean, and in no byte of a release."""
    sql = "select sex, avg(weight), sum(weight), stddev(weight), median(weight) from person group by sex"
    plain = hospital(tmp_path / "a", person=people(weight=lambda i: 50.0 + i % 40))
    marked = hospital(tmp_path / "b", person=people(weight=lambda i: 50.0 + i % 40 + (1e-6 if i == 7 else 0)))
    assert plain.naive(sql) != marked.naive(sql)
    assert plain.ask(sql).canonical() == marked.ask(sql).canonical()
