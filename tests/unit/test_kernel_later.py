"""A pane whose sites run later, as in `twinpane run --sites`: nobody waits for them, and it outlives the clear kernel."""

import asyncio

import pytest
from kernel_desk import Notebook, message

from twinpane_kernel.tp_calls import WITHOUT_INSIDE
from twinpane_sandbox.call_server import CallError
from twinpane_wire import messages as wire


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TWINPANE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
async def pad(tmp_path):
    (tmp_path / "workspace").mkdir()
    made = Notebook(tmp_path / "workspace", "a", later=True)
    yield made
    made.pane.close()


def kinds(pad):
    """What clients got, in order."""
    return [shown.msg_type for shown in pad.relay.passed]


async def test_a_cell_that_failed_does_not_wait_for_the_sites(pad):
    """Its idle goes out at the next turn of the loop, and its reply with it, not a second later."""
    asked = pad.begin("1/0")
    pad.says(asked, "error", {"ename": "ZeroDivisionError", "evalue": "x", "traceback": []})
    pad.end(asked)
    await asyncio.sleep(0)
    assert kinds(pad)[-1] == "status"


async def test_the_end_of_the_clear_kernel_is_told_when_it_is_gone(pad):
    """The question is not answered before, and not passed on to the kernel."""
    pad.run("1", "x")
    assert not pad.pane.on_request("control", message("twinpane_finish_request", {}))
    assert pad.pane.control.finishing.is_set()
    assert pad.relay.replied == []
    pad.pane.control.finished(gone=True)
    assert pad.relay.replied == [("twinpane_finish_reply", {"status": "ok"})]
    assert not pad.pane.ended.is_set()


async def test_a_clear_kernel_that_lives_on_is_not_called_ended(pad):
    """Then no site may begin."""
    pad.pane.on_request("control", message("twinpane_finish_request", {}))
    pad.pane.control.finished(gone=False)
    assert pad.relay.replied == [("twinpane_finish_reply", {"status": "error"})]


async def test_a_cell_that_still_ran_is_over_with_the_kernel(pad):
    """Else a site would wait for the end of its clear run for ever."""
    asked = pad.begin("while True: pass")
    pad.prints(asked, "so far")
    pad.pane.control.finished(gone=True)
    assert [sent.cell for sent in pad.sent(wire.Twin)] == [1]


async def test_nothing_is_passed_on_once_the_kernel_is_ended(pad):
    """Neither requests to it nor its last words; the reports are still given."""
    asked = pad.begin()
    pad.end(asked)
    pad.pane.control.finished(gone=True)
    before = len(pad.relay.passed)
    pad.prints(asked, "a late word")
    assert len(pad.relay.passed) == before
    assert not pad.pane.on_request("shell", message("execute_request", {"code": "1"}))
    assert not pad.pane.on_request("control", message("interrupt_request", {}))
    assert not pad.pane.on_request("control", message("twinpane_cells_request", {}))
    assert pad.relay.replied[-1][0] == "twinpane_cells_reply"


async def test_a_call_that_may_need_an_inside_run_is_refused(pad):
    """A call that is not known to need no inside run is refused with the reason, before any site hears of it.

    A kernel whose sites run beside it makes the call.
    """
    pad.pane.calls._handlers["train"] = pad.pane.calls._handlers["reveal"]
    asked = pad.begin()
    args = {"name": "n", "digits": 1, "parent": asked.msg_id}
    with pytest.raises(CallError, match="begin when the notebook is over"):
        await pad.pane.calls.handle("train", args)
    assert pad.sent(wire.RevealAsk) == []


async def test_every_call_that_there_is_needs_no_inside_run(pad):
    """Brokers or the pane answer, or nothing is waited for: each returns although no site runs anything."""
    assert set(pad.pane.calls._handlers) == WITHOUT_INSIDE
    asked = pad.begin()
    waits = {
        "reveal": {"name": "n", "digits": 1}, "catalogue": {}, "exports": {},
        "export": {"cells": [1], "purpose": "p"},
    }  # fmt: skip
    pad.end(asked)
    asked = pad.begin()
    for call, args in waits.items():
        await pad.pane.calls.handle(call, {**args, "parent": asked.msg_id})
