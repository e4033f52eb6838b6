"""The account itself: a wrong number is found, a missing one has its reason, and nothing of that is left in the broker."""

from pathlib import Path

import pandas as pd
import pytest

import twinpane_broker.broker as broker_module
from questions.analysts import analysts_questions
from questions.asking import ask_all
from questions.hospitals import USUAL, Hospital, rules_of
from questions.judging import Why, watched
from questions.question import Question
from questions.report import account, figures
from questions.truth import Raw
from twinpane_broker.check.resolve import check
from twinpane_broker.engine.duckdb.duckdb_engine import DuckEngine
from twinpane_broker.engine.store.build import build_store
from twinpane_broker.release.release import Release
from twinpane_broker.sql import parse_sql
from twinpane_site.draft import draft_catalogue

SMOKERS = "select smoker, count(*) n from person group by smoker"


@pytest.fixture
def small(tmp_path: Path) -> Hospital:
    """A thousand persons, of whom three smoke a pipe and one in four cigarettes."""
    people = range(1000)
    data = tmp_path / "data"
    data.mkdir()
    smoker = ["pipe" if i < 3 else "yes" if i % 4 == 0 else "no" for i in people]
    pd.DataFrame({"person_id": people, "smoker": smoker}).to_parquet(data / "person.parquet")
    rules = rules_of(USUAL)
    catalogue = draft_catalogue(data, "person_id", "small", "small", rules, "2026-10").catalogue
    codes = [code.value for table in catalogue.tables for column in table.columns if column.name == "smoker" for code in column.codes]
    assert set(codes) >= {"yes", "no"}
    return Hospital("small", data, catalogue, rules, DuckEngine(build_store(data, catalogue, tmp_path / "store.duckdb")), tmp_path)


def test_a_hundred_questions_in_sql_are_asked_of_each() -> None:
    """As many as the goals speak of, each with a topic, in words that no other has."""
    for hospital in ("generated", "gibleed"):
        asked = analysts_questions(hospital)
        assert len(asked) == len({each.ask for each in asked}) == 100
        assert all(each.topic and each.sql.upper().startswith(("SELECT", "WITH")) for each in asked)


def test_a_released_number_is_held_against_duckdb(small: Hospital) -> None:
    """What the broker shows is right within its rounding; the same number moved by more than that is wrong."""
    plan = parse_sql(SMOKERS, small.catalogue)
    release = small.broker("one").run(plan)
    assert isinstance(release, Release)
    raw = Raw(small)
    bound = check(plan, small.catalogue)
    told = raw.verdict(SMOKERS, plan, bound, release)
    assert told.right == sum(value.value is not None and not value.about for row in release.rows for value in row.values) > 0
    assert not told.wrong
    moved = [
        row.model_copy(update={"values": tuple(v if v.value is None else v.model_copy(update={"value": v.value + 10}) for v in row.values)})
        for row in release.rows
    ]
    assert len(raw.verdict(SMOKERS, plan, bound, release.model_copy(update={"rows": tuple(moved)})).wrong) == told.right


def test_a_missing_number_has_its_reason(small: Hospital) -> None:
    """Each question is told with the rule that held it back, or the grammar's word for it."""
    ordinary = Question("all", "select count(*) n from person")
    few = Question("those who smoke a pipe", "select count(*) n from person where smoker <> 'no' and smoker <> 'yes'")
    rows = Question("rows", "select * from person")
    full, withheld, refused = ask_all(small, [ordinary, few, rows], "one")
    assert (full.kind, withheld.kind, refused.kind) == ("in full", "withheld", "grammar")
    assert withheld.why is Why.threshold
    told = figures([full, withheld, refused])
    assert (told.asked, told.full, told.answered, told.wrong) == (3, 1, 1, 0)
    assert "NOT MET" not in account("small", [full], goals="gibleed")


def test_nothing_stays_in_the_broker_that_was_watched() -> None:
    """The judge is the broker's own again once the watching ends."""
    before = broker_module.judge
    with watched() as last:
        assert broker_module.judge is not before
        assert last() is None
    assert broker_module.judge is before
