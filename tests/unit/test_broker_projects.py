"""Projects of one site that see some of its tables each: what one asked does not change what another is told."""

from pathlib import Path

from broker_world import CATALOGUE, TEN_FIVE, World

from twinpane_broker.broker import Broker
from twinpane_broker.release.release import Release
from twinpane_broker.sql import parse_sql


def test_another_projects_question_is_not_in_other_words(tmp_path: Path) -> None:
    """The same persons in the same words: their own number, and their means. Before, the second project got the first one's, marked."""
    world = World(tmp_path)
    sql = "select count(*) n, avg(weight) w from person where sex = 'F'"
    for tables in (("person",), ("person", "visit"), ("person", "visit", "drug")):
        catalogue = CATALOGUE.model_copy(update={"tables": tuple(table for table in CATALOGUE.tables if table.name in tables)})
        broker = Broker(catalogue, TEN_FIVE, world.engine, world.memory, whole=CATALOGUE, project=str(len(tables)), secret=b"s" * 32)
        answer = broker.run(parse_sql(sql, catalogue))
        assert isinstance(answer, Release)
        assert not answer.about
        assert [value.suppressed for value in answer.rows[0].values] == [False, False]
