"""A number of few distinct values is a dimension and a measure: it groups, filters, and may be averaged; and rare values count."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from twinpane_broker.catalogue.catalogue import Catalogue, Code, Column, Table
from twinpane_broker.engine.duckdb.duckdb_engine import DuckEngine
from twinpane_broker.engine.store.build import build_store
from twinpane_broker.release.release import Refusal, Release
from twinpane_site.draft import draft_catalogue
from unit.broker_world import TEN_FIVE, World

SCORE = Column(
    name="score", type="integer", role="dimension", sensitive=False, bounds=(0, 10), missing=0.1, others=0.01,
    codes=tuple(Code(value=value, share=0.12) for value in range(8)),
)  # fmt: skip
CATALOGUE = Catalogue(
    site="north",
    snapshot="s",
    persons=1000,
    tables=(
        Table(name="person", person_key="person_id", columns=(
            Column(name="person_id", type="integer", role="key"),
            Column(name="sex", type="varchar", role="dimension", codes=(Code(value="F", share=0.5), Code(value="M", share=0.5))),
            SCORE,
        )),
        Table(name="visit", person_key="person_id", columns=(
            Column(name="person_id", type="integer", role="key", references="person.person_id"),
            SCORE.model_copy(update={"name": "pain"}),
        )),
    ),
)  # fmt: skip


def scores(rows: int, seed: int) -> pd.array:
    """Whole numbers from 0 to 7, now and then an 8 or a 9, one in ten missing."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 8, rows)
    values[rng.permutation(rows)[:8]] = [8, 9] * 4
    return pd.array(np.where(rng.random(rows) < 0.1, np.nan, values), "Int64")


PERSON = pd.DataFrame({"person_id": range(1000), "sex": ["FM"[i % 2] for i in range(1000)], "score": scores(1000, 1)})
VISIT = pd.DataFrame({"person_id": [i * 7 % 1000 for i in range(8000)], "pain": scores(8000, 2)})


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckEngine]:
    """A site's data with a score of the persons, and one of their visits."""
    folder = tmp_path_factory.mktemp("both")
    PERSON.to_parquet(folder / "person.parquet")
    VISIT.to_parquet(folder / "visit.parquet")
    made = DuckEngine(build_store(folder, CATALOGUE))
    yield made
    made.close()


@pytest.fixture
def world(tmp_path: Path, engine: DuckEngine) -> World:
    """The site with a memory of its own."""
    return World(tmp_path, TEN_FIVE, CATALOGUE, engine=engine)


def test_a_score_is_averaged_with_its_rare_values(world: World) -> None:
    """The values that are too rare to be codes are numbers all the same."""
    ((mean,),) = world.cells("select avg(score) from person").values()
    assert mean == pytest.approx(PERSON.score.mean(), abs=0.06)
    by_sex = world.cells("select sex, avg(score) from person group by sex")
    for sex, (mean,) in by_sex.items():
        assert mean == pytest.approx(PERSON[PERSON.sex == sex[0]].score.mean(), abs=0.06)


def test_a_score_of_events_is_averaged_too(world: World) -> None:
    """Over all rows of all persons."""
    ((mean,),) = world.cells("select avg(pain) from visit").values()
    assert mean == pytest.approx(VISIT.pain.mean(), abs=0.06)


def test_a_score_groups_by_its_codes(world: World) -> None:
    """Its codes one by one, and one row for the others."""
    by_code = world.cells("select score, count(*) from person group by score")
    assert by_code["3",][0] == pytest.approx((PERSON.score == 3).sum(), abs=5)
    assert ("(other)",) in by_code


def test_a_score_groups_in_bins_with_its_rare_values(world: World) -> None:
    """As any measure does."""
    by_bin = world.cells("select floor(score / 5) * 5, count(*) from person group by 1")
    assert by_bin["0",][0] == pytest.approx((PERSON.score < 5).sum(), abs=5)
    assert by_bin["5",][0] == pytest.approx((PERSON.score >= 5).sum(), abs=5)


def test_a_score_is_averaged_beside_its_own_codes(world: World) -> None:
    """Grouped and averaged in one question, of visits too."""
    answer = world.ask("select sex, median(score), stddev(score) from person group by sex")
    assert isinstance(answer, Release)
    answer = world.ask("select pain, count(*), avg(pain) from visit where pain in (1, 2) group by pain")
    assert isinstance(answer, Release)


def test_a_range_of_a_score_counts_its_rare_values(world: World) -> None:
    """From six on are the eights and nines, which no code stands for."""
    ((count,),) = world.cells("select count(*) from person where score >= 6").values()
    assert abs(count - (PERSON.score >= 6).sum()) < 5
    assert (PERSON.score >= 8).sum() in range(1, 10)


def test_named_cases_of_a_score_count_its_rare_values(world: World) -> None:
    """In a table of persons, and in one of events."""
    found = world.cells("select case when score >= 6 then 'high' when score >= 0 then 'low' end as how, count(*) from person group by 1")
    assert found["high",][0] == pytest.approx((PERSON.score >= 6).sum(), abs=4)
    assert found["low",][0] == pytest.approx((PERSON.score < 6).sum(), abs=4)
    found = world.cells("select case when pain >= 6 then 'high' else 'low' end as how, count(*), avg(pain) from visit group by 1")
    assert found["high",][0] == pytest.approx((VISIT.pain >= 6).sum(), abs=25)
    assert found["high",][1] == pytest.approx(VISIT.pain[VISIT.pain >= 6].mean(), abs=0.06)


def test_a_dimension_of_texts_is_no_measure(world: World) -> None:
    """Neither by the catalogue, nor in a question."""
    with pytest.raises(ValidationError, match="only numbers"):
        Column(name="ward", type="varchar", role="dimension", bounds=(0, 1))
    assert isinstance(world.ask("select sex, avg(score) from person group by sex"), Release)
    refused = world.ask("select avg(sex) from person")
    assert isinstance(refused, Refusal)
    assert "needs a measure" in refused.reason


def test_the_draft_of_few_numbers_is_both(tmp_path: Path) -> None:
    """A score has codes, bounds and knots; a flag of two numbers is a dimension alone, and so are concepts."""
    frame = PERSON.assign(flag=PERSON.person_id % 2, kind_concept_id=PERSON.person_id % 5)
    frame.to_parquet(tmp_path / "person.parquet")
    draft = draft_catalogue(tmp_path, "person_id", "north", "North", TEN_FIVE, "s")
    columns = {column.name: column for column in draft.catalogue.tables[0].columns}
    score = columns["score"]
    assert score.measured
    assert [code.value for code in score.codes] == list(range(8))
    assert score.bounds is not None
    assert score.bounds[0] <= 0 < 7 <= score.bounds[1]
    assert score.knots
    assert not columns["flag"].measured
    assert not columns["kind_concept_id"].measured
