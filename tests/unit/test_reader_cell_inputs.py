"""What a cell's inside run is given: answers and replies of the clear run, by number; and the numbers that it reveals."""

import asyncio

import pytest

from twinpane_sandbox.call_server import CallError
from twinpane_site.reader.cell_inputs import CellInputs


async def fails(work):
    with pytest.raises(CallError) as raised:
        await asyncio.wait_for(work, 5)
    return raised.value.code


async def test_prompts_get_the_clear_runs_replies_in_order():
    desk = CellInputs()
    desk.input(2, "second")
    desk.input(1, "first")
    desk.input(1, "first, once more")
    assert [await desk.next_input(), await desk.next_input()] == ["first", "second"]
    third = asyncio.create_task(desk.next_input())
    await asyncio.sleep(0)
    assert not third.done()
    desk.end_twin()
    assert await third is None


async def test_the_nth_call_gets_the_nth_answer_that_came_first():
    """The nth call gets the nth answer, and the first that came."""
    desk = CellInputs()
    desk.answer(2, "catalogue", "second", "")
    desk.answer(2, "catalogue", "another", "")
    first = asyncio.create_task(desk.call("query", {}))
    await asyncio.sleep(0)
    desk.answer(1, "query", "first", "")
    assert await first == "first"
    assert await desk.call("catalogue", {}) == "second"


async def test_a_call_that_the_clear_run_did_not_make_fails():
    desk = CellInputs()
    desk.answer(1, "query", "first", "")
    desk.end_twin()
    assert await desk.call("query", {}) == "first"
    assert await fails(desk.call("query", {})) == "not_made"


async def test_a_call_of_another_kind_than_the_clear_runs_fails():
    desk = CellInputs()
    desk.answer(1, "catalogue", "x", "")
    assert await fails(desk.call("query", {})) == "other_call"


async def test_a_call_that_failed_outside_fails_inside_the_same_way():
    desk = CellInputs()
    desk.answer(1, "export", "no cell has run as In[9]", "no_such_cell")
    assert await fails(desk.call("export", {})) == "no_such_cell"


@pytest.mark.parametrize("end", [CellInputs.end, CellInputs.end_twin])
async def test_a_call_whose_answer_never_comes_ends_with_either_run(end):
    desk = CellInputs()
    waiting = asyncio.create_task(desk.call("query", {}))
    await asyncio.sleep(0)
    end(desk)
    assert await fails(waiting) == "not_made"


async def test_so_many_calls_and_no_more_than_a_number_of_each_is_kept(monkeypatch):
    monkeypatch.setattr("twinpane_ground.limits.CALLS", 3)
    desk = CellInputs()
    desk.end_twin()
    codes = [await fails(desk.call("reveal", {"value": "x" * 1_000_000})) for _ in range(5)]
    assert codes == ["not_made"] * 3 + ["too_many"] * 2
    assert desk.values == {1: None, 2: None, 3: None}


@pytest.mark.parametrize(("inside", "told"), [
    (0.5, 0.5), (True, 1.0), (0, 0.0), (float("nan"), None), (float("inf"), None), ("rows", None), (None, None), ([1], None),
    (10**400, None),
])  # fmt: skip
async def test_a_revealed_value_is_a_finite_number_or_nothing(inside, told):
    desk = CellInputs()
    desk.answer(1, "reveal", {}, "")
    await desk.call("reveal", {"value": inside, "name": "inside's own", "digits": 9})
    desk.wanted.add(1)
    assert desk.answerable() == {1: told}


async def test_a_number_is_told_once():
    """A number is told once. At the end, a number that was never revealed is None."""
    desk = CellInputs()
    desk.wanted |= {1, 2}
    desk.values[1] = 0.5
    assert desk.answerable() == {1: 0.5}
    assert desk.answerable() == {}
    desk.end()
    assert desk.answerable() == {2: None}
    desk.end_twin()
    assert desk.done


async def test_nothing_is_kept_of_a_cell_that_is_over():
    desk = CellInputs()
    desk.answer(1, "query", "x" * 1000, "")
    desk.end()
    desk.answer(2, "query", "late", "")
    desk.input(1, "late")
    assert not desk._answers
    assert not desk._inputs
