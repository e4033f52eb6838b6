"""What the pane calls real: what every site said to be the same, and nothing that anything else could have changed."""

import pytest
from kernel_desk import WIDGET, everywhere, message

from twinpane_wire import messages as wire


async def test_real_is_what_every_site_said_to_be_the_same(pad):
    pad.run("print()", "x")
    assert not pad.report(1).real
    pad.verdict(1, "same", "a")
    assert not pad.report(1).real
    pad.verdict(1, "same", "b")
    assert pad.report(1).real


@pytest.mark.parametrize("outcome", ["differs", "failed"])
async def test_one_site_that_says_otherwise_makes_it_synthetic(pad, outcome):
    pad.run("print()", "x")
    pad.verdict(1, "same", "a")
    more = {"failure": "KeyError", "line": 1} if outcome == "failed" else {}
    pad.verdict(1, outcome, "b", **more)
    assert not pad.report(1).real


async def test_output_that_came_after_the_cell_ended_is_in_no_verdict(pad):
    """A thread that goes on printing: what it shows may not be called real."""
    asked = pad.run("Thread(...)", "x")
    everywhere(pad, 1)
    assert pad.report(1).real
    pad.prints(asked, "late, from the twin")
    assert not pad.report(1).real


@pytest.mark.parametrize("kind", ["display_data", "execute_result", "clear_output", "error", "update_display_data"])
async def test_whatever_comes_late_is_in_no_verdict(pad, kind):
    asked = pad.run("1", "x")
    everywhere(pad, 1)
    pad.says(asked, kind, {"data": {}, "wait": False, "ename": "E", "evalue": "", "traceback": []})
    assert not pad.report(1).real


def show(display_id, text="x"):
    return {"data": {"text/plain": text}, "metadata": {}, "transient": {"display_id": display_id}}


async def shown(pad):
    """A cell that shows a display, and is real."""
    asked = pad.begin("display('x', display_id='d')")
    pad.says(asked, "display_data", show("d"))
    pad.end(asked)
    everywhere(pad, 1)
    assert pad.report(1).real


@pytest.mark.parametrize("kind", ["update_display_data", "display_data"])
async def test_a_display_that_another_cell_changed_is_not_real(pad, kind):
    await shown(pad)
    asked = pad.begin("update()")
    pad.says(asked, kind, show("d", "of the twin"))
    pad.end(asked)
    everywhere(pad, 2)
    assert not pad.report(1).real
    assert pad.report(2).real


async def test_a_display_that_a_third_cell_changed_is_not_real(pad):
    """If a third cell changes a display, it is real in neither of the two cells that show it."""
    await shown(pad)
    second = pad.begin()
    pad.says(second, "display_data", show("d"))
    pad.end(second)
    third = pad.begin()
    pad.says(third, "update_display_data", show("d", "of the twin"))
    pad.end(third)
    everywhere(pad, 2)
    assert not pad.report(1).real
    assert not pad.report(2).real


async def test_a_display_that_nobody_running_changed_is_not_real(pad):
    """A widget's callback, a thread without a cell."""
    await shown(pad)
    pad.says(message("comm_msg", {}), "update_display_data", show("d", "of the twin"))
    assert not pad.report(1).real


async def test_a_cells_own_updates_while_it_runs_are_in_its_verdict(pad):
    asked = pad.begin()
    pad.says(asked, "display_data", show("d"))
    pad.says(asked, "update_display_data", show("d", "y"))
    pad.end(asked)
    everywhere(pad, 1)
    assert pad.report(1).real


def opens(pad, asked, comm, **state):
    pad.says(asked, "comm_open", {"comm_id": comm, "target_name": "jupyter.widget", "data": {"state": state, "method": "update"}})


def moves(pad, asked, comm, **state):
    pad.says(asked, "comm_msg", {"comm_id": comm, "data": {"method": "update", "state": state}})


def views(pad, asked, comm):
    pad.says(asked, "display_data", {"data": {WIDGET: {"model_id": comm}}, "metadata": {}})


def slider(pad, comm="w1"):
    """A cell that makes a widget and shows it; every site says same."""
    asked = pad.begin()
    opens(pad, asked, comm, value=1)
    moves(pad, asked, comm, value=2)
    views(pad, asked, comm)
    pad.end(asked)
    everywhere(pad, pad.pane.cells.last)
    return asked


async def test_a_widget_its_own_cell_made_and_nobody_moved_is_real(pad):
    """A widget that its own cell made and nobody moved is real."""
    slider(pad)
    assert pad.report(1).real


async def test_a_widget_that_the_client_moved_is_not_real(pad):
    slider(pad)
    assert pad.pane.on_request("shell", message("comm_msg", {"comm_id": "w1", "data": {"method": "update", "state": {"value": 9}}}))
    assert not pad.report(1).real
    assert pad.report(1).interacted
    assert len(pad.sent(wire.Comm)) == 1


async def test_asking_for_a_widgets_state_moves_nothing(pad):
    """A client that only asks for a widget's state moves nothing."""
    slider(pad)
    pad.pane.on_request("shell", message("comm_msg", {"comm_id": "w1", "data": {"method": "request_state"}}))
    assert pad.report(1).real


async def test_a_widget_that_a_later_cell_set_is_not_real(pad):
    """`w.value = mean_of_the_twin` in the next cell changes what stands under the first."""
    slider(pad)
    asked = pad.begin("w.value = 7")
    moves(pad, asked, "w1", value=7)
    pad.end(asked)
    assert not pad.report(1).real


async def test_a_widget_that_a_thread_set_is_not_real(pad):
    asked = slider(pad)
    moves(pad, asked, "w1", value=7)
    assert not pad.report(1).real


async def test_an_earlier_cells_widget_is_not_real_when_shown_again(pad):
    """A widget of an earlier cell is not real where it is shown again.

    Its state came from the other cell, which may have differed: no verdict on this one is about it.
    """
    slider(pad)
    asked = pad.begin("w")
    views(pad, asked, "w1")
    pad.end(asked)
    everywhere(pad, 2)
    assert not pad.report(2).real


async def test_a_box_that_holds_another_cells_widget_is_not_real(pad):
    slider(pad)
    asked = pad.begin("Box([w])")
    opens(pad, asked, "box", children=["IPY_MODEL_w1"])
    views(pad, asked, "box")
    pad.end(asked)
    everywhere(pad, 2)
    assert not pad.report(2).real


async def test_a_box_of_the_cells_own_widgets_is_real(pad):
    asked = pad.begin()
    opens(pad, asked, "inner", value=1)
    opens(pad, asked, "box", children=["IPY_MODEL_inner"])
    views(pad, asked, "box")
    pad.end(asked)
    everywhere(pad, 1)
    assert pad.report(1).real


async def test_a_widget_that_nobody_opened_is_not_real(pad):
    asked = pad.begin()
    views(pad, asked, "from nowhere")
    pad.end(asked)
    everywhere(pad, 1)
    assert not pad.report(1).real


async def test_setting_another_cells_widget_leaves_printed_text_real(pad):
    """Setting another cell's widget does not make printed text synthetic."""
    slider(pad)
    asked = pad.begin("w.value = 7; print('ok')")
    moves(pad, asked, "w1", value=7)
    pad.prints(asked, "ok")
    pad.end(asked)
    everywhere(pad, 2)
    assert pad.report(2).real


@pytest.mark.parametrize("content", [
    {}, {"data": []}, {"data": {WIDGET: 7}}, {"transient": []}, {"transient": {"display_id": []}}, {"data": {WIDGET: {"model_id": []}}},
])  # fmt: skip
async def test_strange_displays_of_the_clear_kernel_stop_nothing(pad, content):
    asked = pad.begin()
    for kind in ("display_data", "update_display_data", "comm_open", "comm_msg", "stream", "error", "clear_output"):
        pad.pane.on_iopub(message(kind, content, asked.header))
    pad.end(asked)
    assert len(pad.sent(wire.Twin)) == 1
