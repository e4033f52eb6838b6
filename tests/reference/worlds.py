"""Random small hospitals: several tables, several rows per person, missing values, rare codes, negative numbers, one who has most rows."""

from dataclasses import dataclass
from random import Random

import pandas as pd

from twinpane_broker.catalogue.catalogue import Catalogue, Code, Column, Table
from twinpane_broker.rules.policy import Rules, load_rules

SEXES, REGIONS, WARDS, TESTS = ("F", "M"), ("east", "north", "south", "west"), ("day", "er", "icu"), (1, 2, 3, 4)


@dataclass(frozen=True)
class World:
    """What a site has: its catalogue, its rules, its tables."""

    catalogue: Catalogue
    rules: Rules
    tables: dict[str, pd.DataFrame]


def random_world(random: Random, persons: int) -> World:
    """A hospital of so many persons."""
    ids = random.sample(range(1000, 9000), persons)
    missing, rare = random.choice((0.0, 0.1, 0.3)), random.choice((0.0, 0.02, 0.15))
    person = _persons(random, ids, missing, rare)
    visit = _visits(random, ids, missing, rare)
    lab = _labs(random, visit, missing)
    return World(_catalogue(random, persons, missing, rare), _rules(random), {"person": person, "visit": visit, "lab": lab})


def _rules(random: Random) -> Rules:
    threshold, base = random.choice(((10, 5), (10, 5), (10, 1), (12, 1), (13, 5)))
    return load_rules({
        "preset": "own",
        "threshold": threshold,
        "base": base,
        "zeros": random.choice(("hidden", "shown")),
        "sparse": random.choice((0.4, 0.7)),
        "spread_persons": 30,
        "withheld_per_day": 10_000,
        "sets_percent": 100_000,
    })  # fmt: skip


def _pick(random: Random, values: tuple, missing: float, rare: float, rarely: object, skew: float = 1.0) -> object:
    draw = random.random()
    if draw < missing:
        return None
    if draw < missing + rare:
        return rarely
    return values[min(int(len(values) * random.random() ** skew), len(values) - 1)]


def _persons(random: Random, ids: list[int], missing: float, rare: float) -> pd.DataFrame:
    skew = random.choice((1.0, 1.5, 4.0))
    rows = [
        {
            "person_id": i,
            "sex": _pick(random, SEXES, 0, rare / 3, "X"),
            "region": _pick(random, REGIONS, missing, rare, "abroad", skew),
            "smoker": _pick(random, (True, False), missing, 0, None),
            "age": random.choice((random.randint(0, 104), random.randint(40, 60))),
            "bmi": None if random.random() < missing else random.choice((float("nan"), *[random.gauss(27, 6)] * 20)),
            "balance": random.choice((0.0, random.uniform(-60, 60), random.uniform(-5, 5), random.uniform(-5, 5))),
        }
        for i in ids
    ]
    frame = pd.DataFrame(rows)
    return frame.astype({"smoker": "boolean", "age": "int64", "bmi": "float64", "sex": "string", "region": "string"})


def _visits(random: Random, ids: list[int], missing: float, rare: float) -> pd.DataFrame:
    first, rows = pd.Timestamp("2018-11-15"), []
    regular = random.sample(ids, random.choice((0, 1, 1, 2)))
    for i in ids:
        for _ in range(random.choice((0, 1, 1, 2, 5)) + (random.randint(20, 80) if i in regular else 0)):
            rows.append({
                "visit_id": len(rows) + 1,
                "person_id": i if random.random() > 0.01 else None,
                "day": None if random.random() < missing / 2 else first + pd.Timedelta(days=random.randint(0, 900)),
                "ward": _pick(random, WARDS, missing, rare, "sea", 1.5),
                "score": None if random.random() < missing else random.choice((3.0, random.uniform(0, 12), random.uniform(-2, 40))),
            })  # fmt: skip
    frame = pd.DataFrame(rows, columns=["visit_id", "person_id", "day", "ward", "score"])
    frame["day"] = [None if pd.isna(day) else day.date() for day in frame["day"]]
    return frame.astype({"visit_id": "int64", "person_id": "Int64", "ward": "string", "score": "float64"})


def _labs(random: Random, visit: pd.DataFrame, missing: float) -> pd.DataFrame:
    rows = []
    for at in range(len(visit)):
        owner = visit["person_id"].iloc[at]
        for _ in range(random.choice((0, 0, 1, 3))):
            rows.append({
                # Now and then a result hangs on another person's visit.
                "patient": owner if random.random() > 0.02 or not rows else rows[-1]["patient"],
                "visit_id": None if random.random() < 0.05 else int(visit["visit_id"].iloc[at]),
                "test": _pick(random, TESTS, missing, 0.02, 99, 2.0),
                "value": None if random.random() < missing else random.gauss(5, 3),
                "dose": random.choice((1.0, 2.0, 50.0)),
            })  # fmt: skip
    frame = pd.DataFrame(rows, columns=["patient", "visit_id", "test", "value", "dose"])
    return frame.astype({"patient": "Int64", "visit_id": "Int64", "test": "Int64", "value": "float64", "dose": "float64"})


def _codes(values: tuple, rare: float) -> tuple[Code, ...]:
    return tuple(Code(value=value, share=round((1 - rare) / len(values), 2), label=f"{value}!") for value in values)


def _catalogue(random: Random, persons: int, missing: float, rare: float) -> Catalogue:
    # A catalogue that says nothing of missing values, though there are some: they belong to the other codes then, or outside.
    said = random.choice((missing, missing, 0.0))
    sensitive = random.random() < 0.5
    tests = tuple(code.model_copy(update={"routine": (persons + place) % 3 == 0}) for place, code in enumerate(_codes(TESTS, 0.02)))
    return Catalogue(
        site="north",
        snapshot="2026-10",
        persons=persons // 5 * 5,
        tables=(
            Table(
                name="person",
                person_key="person_id",
                columns=(
                    Column(name="person_id", type="integer", role="key"),
                    Column(name="sex", type="varchar", role="dimension", codes=_codes(SEXES, 0), sensitive=False),
                    Column(name="region", type="varchar", role="dimension", codes=_codes(REGIONS, rare), missing=said, sensitive=sensitive),
                    Column(name="smoker", type="boolean", role="dimension", codes=_codes((True, False), 0), missing=said),
                    Column(name="age", type="integer", role="measure", bounds=(0, 100), unit="years"),
                    Column(name="bmi", type="double", role="measure", bounds=(10, 60), precision=0.1, missing=said),
                    Column(name="balance", type="double", role="measure", bounds=(-50, 50)),
                ),
            ),
            Table(
                name="visit",
                person_key="person_id",
                columns=(
                    Column(name="visit_id", type="integer", role="key"),
                    Column(name="person_id", type="integer", role="key", references="person.person_id"),
                    Column(name="day", type="date", role="date", days=("2019-02-01", "2021-01-01"), missing=said),
                    Column(name="ward", type="varchar", role="dimension", codes=_codes(WARDS, rare), missing=said, sensitive=sensitive),
                    Column(name="score", type="double", role="measure", bounds=(0, 20), missing=said),
                ),
            ),
            Table(
                name="lab",
                person_key="patient",
                columns=(
                    Column(name="patient", type="integer", role="key", references="person.person_id"),
                    Column(name="visit_id", type="integer", role="key", references="visit.visit_id"),
                    Column(name="test", type="integer", role="dimension", codes=tests, missing=said),
                    Column(name="value", type="double", role="measure", bounds=(-10, 20), missing=said),
                    Column(name="dose", type="double", role="measure", bounds=(0, 50)),
                ),
            ),
        ),
    )
