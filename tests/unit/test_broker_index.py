"""The index gives the exact person set of every code, in little space, and notices every byte that is not as it was written."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.engine.index import index_writer
from twinpane_broker.engine.index.in_order import counted
from twinpane_broker.engine.index.index_writer import MISSING, IndexWriter
from twinpane_broker.engine.index.person_index import Index
from twinpane_broker.engine.index.set_bytes import decoded, encoded, rising
from twinpane_broker.errors import EngineError

Pairs = list[tuple[int, int]]


def tallies(pairs: Pairs, size: int = 7, rows: list[int] | None = None) -> Iterable[index_writer.Tally]:
    """Pairs of code and person as an engine gives them: in batches."""
    for at in range(0, len(pairs), size):
        codes, persons = zip(*pairs[at : at + size], strict=True)
        yield np.array(codes), np.array(persons), None if rows is None else np.array(rows[at : at + size])


def write(file: Path, pairs: Pairs, codes: int = 5) -> Path:
    with IndexWriter(file, "mark") as writer:
        writer.add("person", None, 0, tallies([(0, person) for person in sorted({person for _, person in pairs})]))
        writer.add("person", "sex", codes, tallies(pairs))
    return file


PAIRS = st.lists(st.tuples(st.integers(-2, 4), st.one_of(st.integers(0, 300), st.integers(0, 2**31 - 2))), unique=True, max_size=200)


@settings(max_examples=100, deadline=None)
@given(PAIRS)
def test_every_code_has_exactly_its_persons(tmp_path_factory: pytest.TempPathFactory, pairs: Pairs) -> None:
    """Whatever the codes and numbers, and in whatever order they come."""
    index = Index(write(tmp_path_factory.mktemp("index") / "x.index", pairs))
    for code in (None, -1, 0, 1, 2, 3, 4):
        expected = {person for held, person in pairs if held == (MISSING if code is None else code)}
        assert set(index.code("person", "sex", code)) == expected
        assert index.size("person", "sex", code) == len(expected)
    assert set(index.present("person")) == {person for _, person in pairs}


@pytest.mark.parametrize("every", [1, 2, 3, 5, 40, 60, 254, 255, 256, 700, 70_000])
def test_a_set_is_the_same_after_it_was_written(every: int) -> None:
    """Runs, bitmaps, gaps of a byte, gaps of many bytes."""
    rng = np.random.default_rng(every)
    persons = np.unique(rng.integers(0, 100_000 * every, 100_000)).astype(np.uint32) if every > 1 else np.arange(99_000, dtype=np.uint32)
    body = encoded(persons)
    assert decoded(body, len(persons)) == PersonSet(persons)
    assert len(body) <= (2 if every < 300 else 6) * len(persons) + 2000


def test_sparse_codes_take_a_byte_a_person_runs_nearly_nothing() -> None:
    """A sparse code, one in sixty, takes a byte a person, and a run of everybody takes nearly nothing. This keeps the index small."""
    rng = np.random.default_rng(1)
    sixtieth = np.flatnonzero(rng.random(1_000_000) < 1 / 60).astype(np.uint32)
    assert len(encoded(sixtieth)) < 1.05 * len(sixtieth)
    assert len(encoded(np.arange(10, 1_000_000, dtype=np.uint32))) < 300


@given(st.lists(st.integers(0, 2**31 - 2), min_size=1, max_size=60), st.integers(1, 2**20))
def test_persons_are_put_in_order_once(persons: list[int], scale: int) -> None:
    """Close together or far apart, and again and again."""
    given_ = np.array([person // scale for person in persons], np.uint32)
    assert rising(given_).tolist() == sorted({person // scale for person in persons})


def test_the_most_rows_of_a_person_come_with_the_sets(tmp_path: Path) -> None:
    """By code, for the facts."""
    with IndexWriter(tmp_path / "x", "mark") as writer:
        found = writer.add("visit", "ward", 3, tallies([(0, 1), (2, 1), (0, 2), (MISSING, 9)], size=3, rows=[4, 1, 7, 2]))
    assert found.most == {0: 7, 2: 1, MISSING: 2}
    assert found.persons == 4


def test_sets_written_in_pieces_are_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded: what is too much is written, and joined when it is read."""
    monkeypatch.setattr(index_writer, "KEPT", 10)
    monkeypatch.setattr(index_writer, "SORTED_AT_ONCE", 5)
    monkeypatch.setattr(index_writer, "EACH_CODE", 1)
    pairs = [(i % 3, i * 11) for i in range(100)]
    index = Index(write(tmp_path / "x", pairs))
    assert [set(index.code("person", "sex", code)) for code in range(3)] == [{i * 11 for i in range(100) if i % 3 == c} for c in range(3)]
    assert index.size("person", "sex", 0) == 34


def test_codes_that_anybody_holds_are_known(tmp_path: Path) -> None:
    """Not approved ones first, missing last; what nobody holds is an empty set; what does not exist is an error."""
    index = Index(write(tmp_path / "x", [(3, 1), (MISSING, 2), (-1, 3), (0, 4)]))
    assert index.codes("person", "sex") == (-1, 0, 3, None)
    assert not index.code("person", "sex", 1)
    with pytest.raises(EngineError, match=r"no dimension person\.age"):
        index.code("person", "age", 0)
    with pytest.raises(EngineError, match="no table visit"):
        index.present("visit")


def test_a_table_without_rows_has_nobody(tmp_path: Path) -> None:
    """Empty, not absent."""
    index = Index(write(tmp_path / "x", []))
    assert not index.present("person")
    assert not index.code("person", "sex", None)
    assert index.codes("person", "sex") == ()


def test_a_cut_file_is_never_half_read(tmp_path: Path) -> None:
    """Cut anywhere, it is as if it were not there."""
    body = write(tmp_path / "x", [(i % 5, i) for i in range(300)]).read_bytes()
    for end in (*range(0, len(body), 7), len(body) - 1):
        (tmp_path / "cut").write_bytes(body[:end])
        with pytest.raises(EngineError, match=r"damaged.*build_store\(\)"):
            Index(tmp_path / "cut")
    with pytest.raises(EngineError, match="damaged"):
        Index(tmp_path / "none")


def test_a_changed_byte_is_never_read(tmp_path: Path) -> None:
    """Wherever it is: an error, or the same sets; never another set."""
    pairs = [(i % 5, i * 3) for i in range(60)]
    body = write(tmp_path / "x", pairs).read_bytes()
    changed = tmp_path / "changed"
    for at in range(len(body)):
        changed.write_bytes(body[:at] + bytes([body[at] ^ 0x41]) + body[at + 1 :])
        with pytest.raises(EngineError, match="damaged"):
            Index(changed).verify()


def test_a_file_that_is_cut_while_it_is_open_is_an_error(tmp_path: Path) -> None:
    """Not a crash, not an empty set."""
    file = write(tmp_path / "x", [(i % 5, i * 3) for i in range(5000)])
    index = Index(file)
    with file.open("r+b") as opened:
        opened.truncate(20)
    with pytest.raises(EngineError, match="damaged"):
        index.code("person", "sex", 4)


def test_an_index_that_was_not_finished_is_not_there(tmp_path: Path) -> None:
    """An engine that fails leaves nothing behind."""

    def failing() -> Iterable[index_writer.Tally]:
        yield from tallies([(0, 1)])
        raise RuntimeError

    with pytest.raises(RuntimeError), IndexWriter(tmp_path / "x", "mark") as writer:
        writer.add("person", "sex", 2, failing())
    assert not (tmp_path / "x").exists()


def test_memory_holds_the_last_sets_only(tmp_path: Path) -> None:
    """And gives the same ones again, read anew."""
    rng = np.random.default_rng(0)
    pairs = [(code, int(person)) for code in range(5) for person in np.unique(rng.integers(0, 100_000, 3000))]
    index = Index(write(tmp_path / "x", pairs), cache=15_000)
    first = index.code("person", "sex", 0)
    assert index.code("person", "sex", 0) is first
    sizes = [len(index.code("person", "sex", code)) for code in range(5)]
    assert index._cache.currsize <= 15_000
    again = index.code("person", "sex", 0)
    assert again is not first
    assert again == first
    assert sizes == [len(index.code("person", "sex", code)) for code in range(5)]


def test_codes_beyond_sixteen_bits_are_found(tmp_path: Path) -> None:
    """Dimensions of more than 65,536 codes."""
    with IndexWriter(tmp_path / "x", "mark") as writer:
        writer.add("t", "c", 200_000, tallies([(code, code % 7) for code in range(-2, 200_000, 1999)], size=50))
    index = Index(tmp_path / "x")
    assert set(index.code("t", "c", 1997)) == {1997 % 7}
    assert len(index.codes("t", "c")) == 101


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(-2, 3)), max_size=80), st.integers(1, 9))
def test_rows_in_the_order_of_persons_are_counted_in_one_pass(rows: Pairs, size: int) -> None:
    """Each pair of code and person once, wherever the batches end, also inside a person."""
    rows = sorted(rows, key=lambda row: row[0])
    parts = [rows[at : at + size] for at in range(0, len(rows), size)]
    found: Counter[tuple[int, int]] = Counter()
    for codes, persons, counts in counted((np.array([c for _, c in part]), np.array([p for p, _ in part])) for part in parts):
        for pair in zip(persons.tolist(), codes.tolist(), strict=True):
            assert pair not in found
        found.update(dict(zip(zip(persons.tolist(), codes.tolist(), strict=True), counts.tolist(), strict=True)))
    assert found == Counter(rows)


@pytest.mark.parametrize("batches", [[[1, 0]], [[1], [0]], [[0, 2, 1, 3]]])
def test_rows_in_another_order_are_not_counted(batches: list[list[int]]) -> None:
    """Counts would be too small, and so would the bound on a person's contribution."""
    with pytest.raises(EngineError, match="order"):
        list(counted((np.zeros(len(persons), np.int16), np.array(persons)) for persons in batches))
