"""What the agent takes from the broker's process for an answer."""

import json
from typing import Any

import pytest

from twinpane_broker.aggregates.value import Value
from twinpane_broker.catalogue.catalogue import Catalogue
from twinpane_broker.question.category import Category
from twinpane_broker.question.plan import Plan
from twinpane_broker.release.release import Refusal, Release, ReleasedColumn, Row
from twinpane_site.answering.broker_frames import SMALL, result_of

PLAN = Plan.model_validate({"table": "person", "measures": [{"kind": "count"}]})
CATALOGUE = Catalogue(site="a", snapshot="s", persons=100, tables=())


def release(rows: int = 2, **more: Any) -> Release:
    columns = (ReleasedColumn(name="sex", kind="dimension"), ReleasedColumn(name="n", kind="count"), ReleasedColumn(name="m", kind="mean"))
    values = (Value(value=15), Value(value=1.5, n=15))
    made = tuple(Row(key=(Category(value=f"code {number}"),), persons=15, values=values) for number in range(rows))
    given = {"id": "b" * 32, "site": "a", "plan_hash": PLAN.hash, "snapshot": "s", "policy": "p", "rules": (), "persons": 30}
    return Release(**{**given, "columns": columns, "rows": made, **more})


@pytest.mark.parametrize("rows", [2, 2000])
def test_an_answer_is_read_as_it_was_written_whatever_its_size(rows: int) -> None:
    """Large ones are read piece by piece, to the same value and bytes."""
    written = release(rows)
    assert (len(written.canonical()) > SMALL) == (rows > 1000)
    read = result_of(written.canonical(), PLAN, CATALOGUE)
    assert read == written
    assert read.canonical() == written.canonical()


def spoiled(rows: int, more: dict[str, Any]) -> bytes:
    """A release with something that is not a release's."""
    return json.dumps({**json.loads(release(rows).canonical()), **more}).encode()


@pytest.mark.parametrize("rows", [2, 2000])
@pytest.mark.parametrize(
    "more",
    [
        {"note": "row 17: 1999-03-02"}, {"rows": [{"key": [], "persons": 1, "values": [], "who": 17}] * 2000}, {"rows": "all"},
        {"signature": "0" * 128}, {"site": "b"}, {"plan_hash": "0" * 64}, {"snapshot": "t"}, {"rows": [[1, 2]] * 2000},
    ],
)  # fmt: skip
def test_what_is_no_answer_to_the_question_is_refused(rows: int, more: dict[str, Any]) -> None:
    """Neither fields nor words that no release has come further than the agent."""
    with pytest.raises(ValueError, match=r"."):
        result_of(spoiled(rows, more), PLAN, CATALOGUE)


@pytest.mark.parametrize("content", [b"", b"[]", b"1", b"[" * 100_000, b"\xff" * 100_000, b'{"status":"released"}', b" " * 100_000])
def test_what_is_no_json_of_an_answer_is_refused(content: bytes) -> None:
    """Whatever it is, the agent goes on."""
    with pytest.raises(ValueError, match=r"."):
        result_of(content, PLAN, CATALOGUE)


def test_a_refusal_has_its_fixed_text_or_is_none() -> None:
    """Where the data decides, the broker's process has no words of its own."""
    written = Refusal(site="a", plan_hash=PLAN.hash, code="withheld")
    assert result_of(written.canonical(), PLAN, CATALOGUE) == written
    with pytest.raises(ValueError, match="fixed reason"):
        result_of(written.canonical().replace(b"Withheld", b"Row 17: "), PLAN, CATALOGUE)
