"""Code sets count the codes that are too rare to be approved, too; and tell of none of them what the catalogue would not."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from twinpane_broker.broker import Broker
from twinpane_broker.catalogue.catalogue import Catalogue, Code, Column, Table
from twinpane_broker.check.vocabulary import Vocabulary, codes_of
from twinpane_broker.engine.duckdb.duckdb_engine import DuckEngine
from twinpane_broker.engine.store.build import build_store
from twinpane_broker.errors import RefusalCode
from twinpane_broker.memory import InProcessMemory
from twinpane_broker.question.circe import read_circe
from twinpane_broker.question.cohort import Cohort, Entry, Event, Happened, Step
from twinpane_broker.question.plan import Plan
from twinpane_broker.question.predicates import AnyOf, Concept, ConceptSet, In, Not, Predicate
from twinpane_broker.release.release import Refusal, Release
from twinpane_broker.sql import parse_sql
from unit.broker_world import SECRET, TEN_FIVE

TUMOUR, COMMON, OTHER = 438112, 5_000, 6_000
SUBTYPES = tuple(range(5_001, 5_061))
"""Sixty subtypes of five persons each, and one of a hundred: 400 persons have a tumour."""
FEW, NONE, BIG = 70, 71, 2**31 + 5
"""A disease of four persons, one that nobody here has, and a code beyond concept ids."""
CONDITION = "condition_occurrence.condition_concept_id"
CATALOGUE = Catalogue(
    site="north",
    snapshot="2026-10",
    persons=1000,
    tables=(
        Table(name="person", person_key="person_id", columns=(
            Column(name="person_id", type="integer", role="key"),
            Column(name="sex", type="varchar", role="dimension", codes=(Code(value="F", share=0.5), Code(value="M", share=0.5))),
        )),
        Table(name="condition_occurrence", person_key="person_id", columns=(
            Column(name="person_id", type="integer", role="key", references="person.person_id"),
            Column(name="condition_concept_id", type="integer", role="dimension", missing=0.01,
                   codes=(Code(value=COMMON, share=0.1), Code(value=OTHER, share=0.6))),
            Column(name="condition_start_date", type="date", role="date", days=("2019-01-01", "2021-12-01")),
            Column(name="severity", type="double", role="measure", bounds=(0, 100)),
        )),
    ),
)  # fmt: skip


def rows() -> pd.DataFrame:
    """A condition a person: of 1,000 persons 400 have a tumour, 4 the rare disease, 2 a code without a number; 10 have none."""
    codes = [COMMON] * 100 + [code for code in SUBTYPES for _ in range(5)] + [FEW] * 4 + [BIG] * 2 + [None] * 10
    codes += [OTHER] * (1000 - len(codes))
    order = np.random.default_rng(1).permutation(1000)
    return pd.DataFrame({
        "person_id": order,
        "condition_concept_id": pd.array(codes, "Int64"),
        "condition_start_date": pd.Timestamp("2020-01-01").date(),
        "severity": np.where(np.arange(1000) % 4 == 0, np.nan, 40.0 + np.arange(1000) % 20),
    })  # fmt: skip


def world(folder: Path, *, twice: bool = False) -> Broker:
    """The site; ``twice``: with a second condition, the common one, for everybody, so that persons have several rows."""
    folder.mkdir(exist_ok=True)
    pd.DataFrame({"person_id": range(1000), "sex": ["FM"[i % 2] for i in range(1000)]}).to_parquet(folder / "person.parquet")
    conditions = rows()
    if twice:
        conditions = pd.concat([conditions, conditions.assign(condition_concept_id=pd.array([OTHER] * 1000, "Int64"))])
    conditions.to_parquet(folder / "condition_occurrence.parquet")
    pairs = [(TUMOUR, code) for code in (TUMOUR, COMMON, *SUBTYPES)] + [(code, code) for code in (COMMON, *SUBTYPES, FEW, NONE, OTHER)]
    pd.DataFrame(pairs, columns=["ancestor_concept_id", "descendant_concept_id"]).to_parquet(folder / "concept_ancestor.parquet")
    engine = DuckEngine(build_store(folder, CATALOGUE))
    vocabulary = Vocabulary.load(folder, codes_of(CATALOGUE) | engine.unlisted_codes)
    return Broker(CATALOGUE, TEN_FIVE, engine, InProcessMemory(), vocabulary=vocabulary, secret=SECRET)


@pytest.fixture(scope="module", params=[False, True], ids=["one row each", "several rows"])
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The site, with one condition a person and with several."""
    made = world(tmp_path_factory.mktemp("site"), twice=request.param)
    yield made
    made._engine.close()


def below(*codes: int) -> In:
    """The codes and all below them."""
    return In(column=CONDITION, codes=codes, descendants=True)


def counted(broker: Broker, where: Predicate, what: str = "count(distinct person_id)", group: str = "") -> Release | Refusal:
    """Persons with a condition for whom this holds. The memory is fresh: this test is about one question."""
    broker._memory = InProcessMemory()
    by = f"{group}, " if group else ""
    sql = f"select {by}{what} from condition_occurrence{f' group by {group}' if group else ''}"
    plan = parse_sql(sql, CATALOGUE)
    return broker.run(plan.model_copy(update={"where": where}))


def numbers(answer: Release | Refusal) -> list[object]:
    """All numbers of an answer."""
    assert isinstance(answer, Release), answer
    return [value.value for row in answer.rows for value in row.values]


def test_a_tumour_and_all_below_it_is_four_hundred(broker: Broker) -> None:
    """Sixty rare subtypes count with the one that is common enough to be approved."""
    assert numbers(counted(broker, below(TUMOUR))) == [400]
    assert numbers(counted(broker, ConceptSet(column=CONDITION, items=(Concept(code=TUMOUR, descendants=True),)))) == [400]


def test_rare_codes_alone_count_where_they_are_many(broker: Broker) -> None:
    """Listed one by one, as ATLAS does, or as what an exclusion leaves."""
    assert numbers(counted(broker, ConceptSet(column=CONDITION, items=tuple(Concept(code=code) for code in SUBTYPES)))) == [300]
    items = (Concept(code=TUMOUR, descendants=True), Concept(code=COMMON, excluded=True))
    assert numbers(counted(broker, ConceptSet(column=CONDITION, items=items))) == [300]


def test_a_set_with_a_measure_counts_its_rare_rows(broker: Broker) -> None:
    """Means, and the persons who have a value, are of the same 400."""
    release = counted(broker, below(TUMOUR), "count(*), avg(severity)")
    assert numbers(release) == [400, round(rows().severity[:400].mean(), 1)]
    assert isinstance(release, Release)
    assert release.rows[0].values[1].n == 300


def test_what_a_set_leaves_out_is_the_rest(broker: Broker) -> None:
    """NOT of a set with rare codes is all other codes, rare ones among them; a missing code is neither."""
    release = counted(broker, Not(term=below(TUMOUR)))
    assert numbers(release) == ([590] if broker._engine._store.facts.table("condition_occurrence").single else [1000])


@pytest.mark.parametrize("where", [
    below(FEW), below(NONE), below(FEW, NONE), below(SUBTYPES[0]), ConceptSet(column=CONDITION, items=(Concept(code=NONE),)),
    AnyOf(terms=(below(TUMOUR), below(FEW))), AnyOf(terms=(below(TUMOUR), below(NONE))), Not(term=below(FEW)), Not(term=below(NONE)),
])  # fmt: skip
def test_a_set_of_few_is_withheld_like_one_of_nobody(broker: Broker, where: Predicate) -> None:
    """However it is asked: whether a few have the disease here, or nobody, is not told."""
    answer = counted(broker, where)
    assert isinstance(answer, Refusal)
    assert answer.code is RefusalCode.withheld


@pytest.mark.parametrize("code", [FEW, NONE])
def test_a_cohort_of_few_is_withheld_like_one_of_nobody(broker: Broker, code: int) -> None:
    """As an entry, and as what leaves persons out."""
    broker._memory = InProcessMemory()
    few, many = (Event(table="condition_occurrence", where=below(of)) for of in (code, TUMOUR))
    for cohort in (
        Cohort(entry=Entry(events=(few,))),
        Cohort(entry=Entry(events=(many,)), steps=(Step(criteria=(Happened(event=few),), exclude=True),)),
    ):
        answer = broker.run(Plan(table="person", cohort=cohort, measures=parse_sql("select count(*) from person", CATALOGUE).measures))
        assert isinstance(answer, Refusal)
        assert answer.code is RefusalCode.withheld


def test_a_cohort_has_its_rare_codes(broker: Broker) -> None:
    """Written here, or imported from ATLAS."""
    measures = parse_sql("select count(*) from person", CATALOGUE).measures
    own = Cohort(entry=Entry(events=(Event(table="condition_occurrence", where=below(TUMOUR)),)))
    expression = {"items": [{"concept": {"CONCEPT_ID": TUMOUR}, "includeDescendants": True}]}
    atlas = read_circe({
        "ConceptSets": [{"id": 0, "name": "tumour", "expression": expression}],
        "PrimaryCriteria": {
            "CriteriaList": [{"ConditionOccurrence": {"CodesetId": 0}}],
            "ObservationWindow": {"PriorDays": 0, "PostDays": 0},
            "PrimaryCriteriaLimit": {"Type": "First"},
        },
    }).cohort  # fmt: skip
    atlas = atlas.model_copy(update={"entry": atlas.entry.model_copy(update={"observation": None})})
    for cohort in (own, atlas):
        broker._memory = InProcessMemory()
        assert numbers(broker.run(Plan(table="person", cohort=cohort, measures=measures))) == [400]


def test_a_plan_cannot_name_a_rare_code(broker: Broker) -> None:
    """What is not in the catalogue does not exist for a comparison; only a vocabulary's set finds it."""
    answer = counted(broker, In(column=CONDITION, codes=(SUBTYPES[0],)))
    assert isinstance(answer, Refusal)
    assert answer.code is RefusalCode.catalogue


def test_the_release_does_not_tell_which_rare_codes_are_held(tmp_path: Path) -> None:
    """Two sites that differ in nothing but a rare code's id give the same bytes."""
    released = []
    for place, rare in enumerate((5_001, 5_061)):
        folder = tmp_path / str(place)
        folder.mkdir()
        broker = world(folder)
        frame = pd.read_parquet(folder / "condition_occurrence.parquet")
        frame["condition_concept_id"] = frame.condition_concept_id.replace(5_001, rare)
        frame.to_parquet(folder / "condition_occurrence.parquet")
        broker._engine.close()
        engine = DuckEngine(build_store(folder, CATALOGUE, folder / "again.duckdb"))
        pairs = [(TUMOUR, code) for code in (TUMOUR, COMMON, *SUBTYPES, 5_061)]
        pd.DataFrame(pairs, columns=["ancestor_concept_id", "descendant_concept_id"]).to_parquet(folder / "concept_ancestor.parquet")
        vocabulary = Vocabulary.load(folder, codes_of(CATALOGUE) | engine.unlisted_codes)
        again = Broker(CATALOGUE, TEN_FIVE, engine, InProcessMemory(), vocabulary=vocabulary, secret=SECRET)
        released.append(counted(again, below(TUMOUR)))
        engine.close()
    assert numbers(released[0]) == [400]
    assert released[0].canonical() == released[1].canonical()
    assert [line.attribute.rpartition(" = ")[2] for line in released[0].account] == [
        "(other)",
        str(COMMON),
        "6000",
    ]  # one of two listed codes asks about the other
