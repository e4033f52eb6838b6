"""Attacks by many answers: reconstruction (7.11), noise and averages (7.12, 7.13), learnt inference (7.14), membership (7.15)."""

from pathlib import Path
from random import Random

import duckdb
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from reference.hospital import EXACT, TEN_FIVE, Hospital
from twinpane_broker.broker import Broker
from twinpane_broker.catalogue.catalogue import Catalogue, Code, Column, Table
from twinpane_broker.errors import Refused
from twinpane_broker.memory import InProcessMemory
from twinpane_broker.release.release import Refusal
from twinpane_broker.rules.policy import Rules
from twinpane_broker.sql import parse_sql
from unit.broker_world import CATALOGUE, people

from .ward import hospital, is_withheld, refused

RULES = [pytest.param(TEN_FIVE, id="10-5"), pytest.param(EXACT, id="exact counts")]

# ---------------------------------------------------------------- 7.11 reconstruction


def test_random_subsets_cannot_be_asked_for() -> None:
    """Dinur and Nissim: counts of random subsets solve for everybody's bit. There is no predicate that picks at random."""
    for where in (
        "hash(person_id) % 2 = 0",
        "person_id % 7 = 3",
        "person_id in (1, 5, 9)",
        "person_id between 10 and 20",
        "md5(note) < '8'",
        "random() < 0.5",
        "length(note) = 8",
        "note in ('canary-7')",
        "mrn = 'mrn-7'",
        "sin(weight) > 0",
        "age % 2 = 0",
        "weight >= 61.37",
    ):
        assert refused(f"select count(*) from person where {where} and smoker = true")


PLACES, BANDS = tuple(f"p{i:02}" for i in range(12)), 10


def census(folder: Path, random: Random, persons: int, rules: Rules, target: bool | None = None) -> Hospital:
    """Persons with a place, an age, a sex and a secret bit. With ``target``, person 0 alone is 97 years old, of the first place."""
    rows = [
        {"person_id": i, "place": random.choice(PLACES), "sex": random.choice("FM"), "age": random.randrange(90),
         "ill": random.random() < 0.5}
        for i in range(persons)
    ]  # fmt: skip
    if target is not None:
        rows[0] |= {"place": PLACES[0], "sex": "F", "age": 97, "ill": target}
    return Hospital(folder, CENSUS, {"person": pd.DataFrame(rows)}, rules)


def _codes(*values: object) -> tuple[Code, ...]:
    return tuple(Code(value=value, share=round(1 / len(values), 2)) for value in values)


CENSUS = Catalogue(
    site="north",
    snapshot="1",
    persons=120,
    tables=(
        Table(
            name="person",
            person_key="person_id",
            columns=(
                Column(name="person_id", type="integer", role="key"),
                Column(name="place", type="varchar", role="dimension", codes=_codes(*PLACES), sensitive=False),
                Column(name="sex", type="varchar", role="dimension", codes=_codes("F", "M"), sensitive=False),
                Column(name="age", type="integer", role="measure", bounds=(0, 100)),
                Column(name="ill", type="boolean", role="dimension", codes=_codes(True, False)),
            ),
        ),
    ),
)


def random_condition(random: Random) -> str:
    """A subset that the catalogue has words for."""
    parts = []
    if random.random() < 0.8:
        parts.append(f"place in ({', '.join(repr(place) for place in random.sample(PLACES, random.randint(1, 9)))})")
    if random.random() < 0.6:
        low = 5 * random.randrange(0, 12)
        parts.append(f"age >= {low} and age < {low + 5 * random.randint(2, 8)}")
    if random.random() < 0.3:
        parts.append(f"sex = '{random.choice('FM')}'")
    return " and ".join(parts) or "sex in ('F', 'M')"


def reconstructed(site: Hospital, conditions: list[str], answers: list[float | None]) -> float:
    """The share of bits that least squares over the answers gets right."""
    frame = site.tables["person"]
    rows, values = [], []
    for condition, answer in zip(conditions, answers, strict=True):
        if answer is not None:
            member = frame.query(condition.replace(" = ", " == ").replace(" in (", " in [").replace(")", "]"))
            rows.append(frame.person_id.isin(member.person_id).to_numpy(dtype=float))
            values.append(answer)
    bits = np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)[0] if rows else np.full(len(frame), 0.5)
    return float(((bits > 0.5) == frame.ill.to_numpy()).mean())


@pytest.mark.slow
def test_least_squares_over_the_catalogue_reconstruct_nobody(tmp_path: Path) -> None:
    """Least squares over what the catalogue can say reconstruct nobody.

    Exact counts of four hundred subsets solve for most bits of a hundred and twenty persons; those that the broker releases do not.
    """
    random = Random(11)
    # Without the account of what was released, which would end it after nine sets.
    site = census(tmp_path, random, 120, TEN_FIVE.model_copy(update={"sets_percent": 100_000}))
    conditions = [random_condition(random) for _ in range(400)]
    naive = [float(site.naive(f"select count(*) from person where {condition} and ill")[0][0]) for condition in conditions]
    base = max(site.tables["person"].ill.mean(), 1 - site.tables["person"].ill.mean())
    assert reconstructed(site, conditions, naive) > 0.9
    answers = [site.one(f"select count(*) from person where {condition} and ill = true") for condition in conditions]
    assert any(answer is not None for answer in answers)
    # Guessing each place's and band's share is statistics, and right a little more often than a coin.
    assert reconstructed(site, conditions, answers) <= base + 0.2


# ---------------------------------------------------------------- 7.12 and 7.13 noise and averages


@pytest.mark.parametrize("rules", RULES)
def test_the_same_persons_in_other_words_have_the_same_number(tmp_path: Path, rules: Rules) -> None:
    """Noise that is keyed by the text averages out over redundant conditions; what is released is keyed by the persons."""
    site = hospital(tmp_path, rules)
    naive = np.random.default_rng(1)
    noisy = [334 + naive.laplace(0, 5) for _ in range(400)]
    assert abs(np.mean(noisy) - 334) < 1
    words = ["race = 'a'", "race in ('a')", "race = 'a' and age >= 0", "race = 'a' and (sex = 'F' or sex = 'M')", "not (race <> 'a')",
             "race = 'a' and weight >= 0", "race = 'a' and age >= 5", "race in ('a') or race = 'a'"]  # fmt: skip
    answers = {site.one(f"select count(*) from person where {where}") for where in words} - {None}
    assert len(answers) == 1
    by_race = site.cells("select race, count(*) n from person group by race")[("a",)][0]
    assert {by_race} - {None} <= answers


@pytest.mark.parametrize("rules", RULES)
def test_averages_over_partitions_do_not_sharpen_a_difference(tmp_path: Path, rules: Rules) -> None:
    """Totals over many partitions average the rounding away. With one person less, each partition bears the numbers of the whole."""
    site = hospital(tmp_path, rules, person=people(age=lambda i: 92 if i == 0 else 20 + i % 60))
    splits = ("sex", "race", "smoker", "floor(age / 10) * 10", "floor(weight / 10) * 10", "floor(age / 20) * 20")
    ask = "select {0} g, count(*) n from person where race in ('a', 'b') {1} group by {0}"

    def naive(more: str) -> float:
        noise, exact = np.random.default_rng(5), [[n for _, n in site.naive(ask.format(split, more))] for split in splits]
        return np.mean([sum(n + noise.integers(-2, 3) for n in parts) for parts in exact * 100])

    assert 0.2 < naive("") - naive("and age < 90") < 1.8
    whole = [site.cells(ask.format(split, "")) for split in splits]
    less = [site.cells(ask.format(split, "and age < 90")) for split in splits]
    assert any(whole)
    for all_of_them, but_one in zip(whole, less, strict=True):
        assert all(n is None or (n,) == all_of_them[cell] for cell, (n,) in but_one.items())


# ---------------------------------------------------------------- 7.14 inference that a machine learns


def queries_about(random: Random, count: int) -> list[str]:
    """Conditions that an attacker who knows a target's place, sex and age tries: with and without parts of what singles them out."""
    known = [f"place = '{PLACES[0]}'", "sex = 'F'", "age >= 95"]
    others = ["place in ('p00', 'p01', 'p02')", "place in ('p01', 'p02', 'p03')", "age >= 40", "age >= 90", "age < 95", "sex = 'M'",
              "not (age >= 95)", "not (place = 'p00' and age >= 95)"]  # fmt: skip
    made = []
    while len(made) < count:
        parts = random.sample(known + others, random.randint(1, 3))
        made.append(" and ".join([*parts, random.choice(("ill = true", "ill = true", "ill = false"))]))
    return list(dict.fromkeys(made))


def learnt(features: np.ndarray, secret: np.ndarray) -> float:
    """The better of two learners' accuracies on worlds that they have not seen (five folds)."""
    learners = (make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)), RandomForestClassifier(200, random_state=1))
    folds = KFold(5, shuffle=True, random_state=1)
    return max(float((cross_val_predict(learner, features, secret, cv=folds) == secret).mean()) for learner in learners)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("rules", RULES)
def test_a_search_for_queries_learns_no_secret(tmp_path: Path, rules: Rules) -> None:
    """QuerySnout in miniature: many worlds, the target's known attributes, random queries about them, a learner over all answers.

    Answers and denials are both features. Plain counts give the secret away; over the broker accuracy stays at the base rate.
    """
    random, worlds = Random(3), 160
    conditions = queries_about(random, 24)
    plans = [parse_sql(f"select count(*) from person where {each}", CENSUS) for each in conditions]
    secret, plain, guarded = [], [], []
    for world in range(worlds):
        target = world % 2 == 0
        site = census(tmp_path / str(world), random, 150, rules, target)
        broker = Broker(CENSUS, rules, site.engine, InProcessMemory())
        secret.append(target)
        with duckdb.connect() as connection:
            connection.register("person", site.tables["person"])
            plain.append([float(connection.execute(f"select count(*) from person where {each}").fetchone()[0]) for each in conditions])
        answers = [broker.run(plan) for plan in plans]
        told = [-1.0 if isinstance(answer, Refusal) else float(answer.rows[0].values[0].value or 0) for answer in answers]
        guarded.append([*told, *(float(isinstance(answer, Refusal)) for answer in answers)])
        site.close()
    truth = np.array(secret)
    assert learnt(np.array(plain), truth) >= 0.9
    # Five points above the base rate, and what chance alone adds to that in one of twenty runs of so many worlds.
    assert learnt(np.array(guarded), truth) <= 0.55 + 1.65 * (0.25 / worlds) ** 0.5


# ---------------------------------------------------------------- 7.15 membership


@pytest.mark.slow
def test_means_of_a_small_group_are_too_few_to_tell_a_member(tmp_path: Path) -> None:
    """Homer 2008: three hundred means of a group of fifteen tell who is in it. A plan has twelve measures, of three digits.

    What bounds this attack is how many measures a catalogue has: no rule on one question stops it where there are hundreds.
    """
    rng = np.random.default_rng(2)

    def told(columns: int, digits: int | None, worlds: int = 200) -> float:
        right = 0
        for _ in range(worlds):
            group, target = rng.random((15, columns)), rng.random(columns)
            inside = bool(rng.random() < 0.5)
            if inside:
                group[0] = target
            means = group.mean(axis=0) if digits is None else np.array([float(f"{m:.{digits - 1}e}") for m in group.mean(axis=0)])
            right += bool((np.abs(target - 0.5) - np.abs(target - means)).sum() > 0) == inside
        return right / worlds

    assert told(300, None) > 0.9
    measures = ", ".join(f"avg(weight) w{i}" for i in range(13))
    with pytest.raises(Refused):
        parse_sql(f"select {measures} from person", CATALOGUE)
    assert sum(column.role == "measure" for column in CATALOGUE.table("person").columns) <= 12
    site = hospital(tmp_path, person=people(15))
    answer = site.ask("select avg(weight), avg(age) from person")
    assert isinstance(answer, Refusal) or all(v.value is None or v.value == float(f"{v.value:.2e}") for v in answer.rows[0].values)
    assert is_withheld(site.ask("select avg(weight) from person where sex = 'F'"))
