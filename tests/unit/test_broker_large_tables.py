"""What a question costs grows with its table, and not with the table's square: told by counted steps, not by seconds."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from broker_world import World, visits

from twinpane_broker.cells.cell_evidence import CellEvidence
from twinpane_broker.cells.person_sets import PersonSet, fingerprint
from twinpane_broker.disclosure.companion_cells import with_companions
from twinpane_broker.engine.measure.cell_sets import EventTable
from twinpane_broker.evidence.table import Index, Table
from twinpane_broker.memory import SqliteMemory, records
from twinpane_broker.memory.candidate_set import CandidateSet
from twinpane_broker.memory.differencing import _squares
from twinpane_broker.memory.released_sets import ReleasedSets
from twinpane_broker.memory.sketch import sketch
from twinpane_broker.release.release import Release

CELLS = 400


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Index]]:
    """The cells whose size was looked up."""
    cells: list[Index] = []
    size = Table.size

    def counted(self: Table, index: Index) -> int:
        cells.append(index)
        return size(self, index)

    monkeypatch.setattr(Table, "size", counted)
    return cells


def test_many_suppressed_numbers_of_a_line_are_gone_through_once(looked: list[Index]) -> None:
    """Each of hundreds of cells is alone in no line: one look at the line is enough for all of them."""
    shown = tuple((i,) for i in range(CELLS))
    cells = {(i,): CellEvidence(who=PersonSet([i]), rows=1, largest=1, second=0) for i in range(CELLS)}
    table = Table((0,), (CELLS,), shown, cells, PersonSet(range(CELLS)))
    unsafe = set(shown[: CELLS // 2])
    assert with_companions(unsafe, set(), table) == unsafe
    assert len(looked) <= 4 * CELLS
    assert with_companions({(0,)}, set(), table) == {(0,), (1,)}


def test_codes_are_looked_up_once_for_all_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mean by code of values that some rows lack needs the codes of each cell."""
    asked = count()
    codes = EventTable.codes
    monkeypatch.setattr(EventTable, "codes", lambda *given: (next(asked), codes(*given))[1])
    rows = [
        {"person_id": i, "ward": ward, "lactate": 2.0 + i % 7 if i % 10 else None}
        for i in range(1000) for ward in ("icu", "er", "day") for _ in range(2)
    ]  # fmt: skip
    release = World(tmp_path, visit=visits(rows)).ask("select ward, avg(lactate) m from visit group by ward")
    assert isinstance(release, Release)
    assert [row.values[0].value for row in release.rows] == [5.0] * 3
    assert next(asked) <= 3


def test_sets_that_share_nobody_of_a_newcomer_make_no_square() -> None:
    """Of a newcomer of a few persons nearly every set holds all but few: only pairs that share some are looked at."""
    newcomer, known = PersonSet(range(12)), ReleasedSets(lambda number: b"")
    parts = [PersonSet([*range(3 * i, 3 * i + 3), *range(1000 * (i + 1), 1000 * (i + 1) + 200)]) for i in range(4)]
    for who in (*parts, *(one | other for one in parts for other in parts if one != other)):
        if known.number(fingerprint(who)) is None:
            known.admit(fingerprint(who), sketch(who), who)
    candidate = CandidateSet(newcomer, sketch(newcomer), 10, known)
    assert set(range(4)) <= set(candidate.holders.tolist())
    assert not [(x, y) for x, y, _ in _squares(candidate) if x < len(parts) and y < len(parts)]


def test_sets_of_values_are_found_without_those_of_persons(tmp_path: Path) -> None:
    """A look for new sets of values goes through an index, not through the persons' sets with their bodies."""
    memory = SqliteMemory(tmp_path / "memory.db")
    with_kind = records._SETS[False]
    plan = memory._reader.execute(f"EXPLAIN QUERY PLAN SELECT max(number) FROM ({with_kind})", {"kind": "weight"}).fetchall()
    told = [row[3] for row in plan if "person_set" in row[3]]
    assert told
    assert all("person_set_unsaid" in step for step in told)
    memory.close()
