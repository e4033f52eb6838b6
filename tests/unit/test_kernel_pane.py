"""The pane, with relay and link played by the test: what goes to the sites, what strips stand where."""

import asyncio

import pytest
from kernel_desk import SITE_KEYS, Notebook, catalogued, everywhere, message, state

from twinpane_kernel.cell_report import State
from twinpane_wire import messages as wire

# ---------------------------------------------------------------- what goes to the sites


async def test_a_site_is_first_opened_with_the_shared_seed(pad):
    """A site is opened before anything else, with the shared seed."""
    pad.run()
    first = pad.mirror.sent["a"][0]
    assert isinstance(first, wire.Open)
    assert first.seed == 7


async def test_a_cell_goes_in_as_it_begins_and_its_digest_as_it_ends(pad):
    """A cell goes to every site when it begins. Its digest follows when it ends."""
    asked = pad.request("x = 1")
    assert pad.sent(wire.Cell) == []
    pad.begins(asked)
    for site in ("a", "b"):
        [cell] = pad.sent(wire.Cell, site)
        assert (cell.cell, cell.source, cell.msg_id) == (1, "x = 1", asked.msg_id)
    assert pad.sent(wire.Twin) == []
    pad.end(asked)
    [twin] = pad.sent(wire.Twin)
    assert (twin.cell, twin.calls) == (1, 0)


async def test_what_never_began_is_never_sent(pad):
    """Requests that are aborted behind a failing cell."""
    failing, behind = pad.request("1/0"), pad.request("2")
    pad.begins(failing)
    pad.end(failing)
    pad.pane.on_reply("shell", message("execute_reply", {"status": "aborted"}, behind.header))
    pad.end(behind)
    pad.run("3")
    assert [cell.source for cell in pad.sent(wire.Cell)] == ["1/0", "3"]
    assert [cell.cell for cell in pad.sent(wire.Cell)] == [1, 2]


async def test_only_what_a_client_asked_for_begins_a_cell(pad):
    """A cell's beginning is believed only of what a client asked."""
    forged = message("execute_request", {"code": "forged"}, key=b"other")
    pad.pane.on_request("shell", forged)
    pad.begins(forged)
    pad.begins(message("execute_request", {"code": "never asked"}))
    assert pad.sent(wire.Cell) == []


@pytest.mark.parametrize("code", ["%%twin\nsecret_plan()", "\n\n  %%twin \nx"])
async def test_a_rehearsal_stays_outside_but_takes_its_number(pad, code):
    pad.run(code, "x")
    [cell] = pad.sent(wire.Cell)
    assert (cell.cell, cell.source, cell.rehearsal) == (1, "pass", True)
    assert pad.report(1).sites == ()
    assert not pad.report(1).real


async def test_another_magic_that_begins_alike_is_no_rehearsal(pad):
    pad.run("%%twinkle\nx")
    assert pad.sent(wire.Cell)[0].source == "%%twinkle\nx"


async def test_a_silent_request_runs_inside_and_owes_no_verdict(pad):
    asked = pad.request("1", silent=True)
    pad.says(asked, "status", {"execution_state": "busy"})
    pad.end(asked)
    assert pad.sent(wire.Cell)[0].silent
    assert pad.report(1).settled
    assert pad.strips == []


@pytest.mark.parametrize("more", [{"user_expressions": {"x": "y" * (25 * 2**20)}}, {"code": "x" * (2**20 + 1)}])
async def test_a_cell_that_is_too_large_runs_on_the_twin_and_says_so(pad, more):
    """Its number is taken, so that both runs go on counting alike, and the next cell goes its way."""
    code = more.pop("code", "1")
    pad.run(code, "x", **more)
    pad.run("2")
    assert [(cell.cell, cell.source, cell.rehearsal) for cell in pad.sent(wire.Cell)] == [(1, "pass", True), (2, "2", False)]
    assert "too large" in pad.report(1).notes[0]
    assert not pad.report(1).real


@pytest.mark.parametrize("strange", [[], ["x"], "x", 7, None, {"a": 1}])
async def test_strange_fields_of_a_request_stop_nothing(pad, strange):
    pad.run("1", "x", user_expressions=strange)
    assert len(pad.sent(wire.Cell)) == 1


async def test_inputs_go_in_numbered_by_reply(pad):
    asked = pad.begin("input()")
    for value in ("first", "second"):
        assert pad.pane.on_request("stdin", message("input_reply", {"value": value}))
    pad.end(asked)
    assert [(i.nth, i.value) for i in pad.sent(wire.Input)] == [(1, "first"), (2, "second")]
    assert pad.pane.on_request("stdin", message("input_reply", {"value": "late"}))
    assert len(pad.sent(wire.Input)) == 2


async def test_an_input_too_long_for_the_link_reaches_the_kernel(pad):
    """An input too long for the link still reaches the clear kernel."""
    pad.begin("input()")
    assert pad.pane.on_request("stdin", message("input_reply", {"value": "x" * (2**20 + 1)}))
    assert pad.sent(wire.Input) == []


async def test_an_interrupt_belongs_to_the_cell_that_runs(pad):
    """The kernel gets it, and each site for that cell alone."""
    pad.run()
    pad.begin("while True: pass")
    assert pad.pane.on_request("control", message("interrupt_request", {}))
    assert [sent.cell for sent in pad.sent(wire.Interrupt)] == [2]


async def test_an_interrupt_while_no_cell_runs_belongs_to_none(pad):
    """It used to name the newest cell, and sites that lagged behind then never ran what had run outside."""
    assert pad.pane.on_request("control", message("interrupt_request", {}))
    pad.run()
    pad.request("waits")
    assert pad.pane.on_request("control", message("interrupt_request", {}))
    assert pad.sent(wire.Interrupt) == []


async def test_a_cell_that_sites_only_count_is_not_interrupted_there(pad):
    """A cell that does nothing takes the place of a rehearsal."""
    pad.begin("%%twin\nwhile True: pass")
    assert pad.pane.on_request("control", message("interrupt_request", {}))
    assert pad.sent(wire.Interrupt) == []


async def test_an_interrupt_of_a_silent_cell_goes_in(pad):
    """A site runs it too."""
    asked = pad.request("while True: pass", silent=True)
    pad.says(asked, "status", {"execution_state": "busy"})
    assert pad.pane.on_request("control", message("interrupt_request", {}))
    assert [sent.cell for sent in pad.sent(wire.Interrupt)] == [1]


async def test_an_interrupt_with_the_wrong_key_reaches_no_site(pad):
    """The clear kernel refuses it in its own way."""
    pad.begin()
    pad.pane.on_request("control", message("interrupt_request", {}, key=b"other"))
    assert pad.sent(wire.Interrupt) == []


async def test_closing_tells_the_sites(pad):
    pad.pane.close()
    assert isinstance(pad.mirror.sent["a"][-1], wire.Close)


async def test_what_ran_early_goes_in_after_the_opening(workspace):
    """Cells that ran before the switchboard was reached go to the sites after the opening."""
    pad = Notebook(workspace)
    pad.pane.join(pad.mirror)
    pad.run("x = 1", "text")
    pad.mirror.early = (wire.Cell(session=pad.pane.session, cell=1, msg_id="m", source="x = 1"),)
    pad.mirror.sites.append("a")
    pad.pane.on_site(state("a", online=False))
    assert [type(body) for body in pad.mirror.sent["a"]] == [wire.Open, wire.Cell]
    assert pad.report(1).sites[0].state is State.queued
    pad.pane.close()


async def test_a_site_out_of_reach_too_long_is_said_to_be_left_behind(pad):
    """A site that was out of reach too long is left behind, and the report says so."""
    pad.mirror.gone.add("b")
    pad.run()
    assert "Site B was out of reach" in pad.report(1).notes[0]
    assert {line.site: line.state for line in pad.report(1).sites}["b"] is State.refused
    pad.verdict(1)
    assert pad.report(1).settled
    assert [line.site for line in pad.report(1).named] == ["b"]


# ---------------------------------------------------------------- files


async def test_what_lay_there_before_a_cell_was_asked_for_goes_with_it(pad, workspace):
    (workspace / "helper.py").write_text("x = 1")
    pad.run("import helper")
    assert [file.path for file in pad.sent(wire.Cell)[0].files] == ["helper.py"]
    pad.run()
    assert pad.sent(wire.Cell)[1].files == ()


async def test_a_file_written_before_the_beginning_was_heard_of_counts(pad, workspace):
    """The kernel may be quicker than its message. A file of the twin must not go inside as the researcher's."""
    asked = pad.request("open('out.csv', 'w').write(twin)")
    (workspace / "out.csv").write_text("of the twin")
    pad.begins(asked)
    pad.end(asked)
    pad.run()
    assert [cell.files for cell in pad.sent(wire.Cell)] == [(), ()]


async def test_between_queued_cells_nothing_is_the_researchers(pad, workspace):
    """Run all: the clear kernel goes from one cell to the next without waiting for the pane."""
    first, second = pad.request("1"), pad.request("2")
    pad.begins(first)
    pad.end(first)
    (workspace / "out.csv").write_text("of the second, which has begun already")
    pad.begins(second)
    pad.end(second)
    pad.run()
    assert [cell.files for cell in pad.sent(wire.Cell)] == [(), (), ()]


async def test_files_whose_cell_never_began_go_with_the_next(pad, workspace):
    (workspace / "helper.py").write_text("x = 1")
    asked = pad.request("1")
    pad.pane.on_reply("shell", message("execute_reply", {"status": "aborted"}, asked.header))
    pad.end(asked)
    pad.run()
    assert [file.path for file in pad.sent(wire.Cell)[0].files] == ["helper.py"]


async def test_another_notebooks_cell_files_are_not_the_researchers(pad, workspace):
    """While it runs, and once it ended."""
    other = Notebook(workspace, "a")
    running = other.begin("write()")
    (workspace / "twin.csv").write_text("of the other's twin")
    pad.run()
    other.says(message("complete_request", {}), "status", {"execution_state": "idle"})
    pad.run()
    other.end(running)
    pad.run()
    assert [cell.files for cell in pad.sent(wire.Cell)] == [(), (), ()]
    (workspace / "helper.py").write_text("the researcher's")
    pad.run()
    assert [file.path for file in pad.sent(wire.Cell)[3].files] == ["helper.py"]
    other.pane.close()


# ---------------------------------------------------------------- strips


def kinds(pad):
    """What the client saw, in order."""
    return ["strip" if "twinpane" in shown.content.get("metadata", {}) else shown.msg_type for shown in pad.relay.passed]


async def test_the_strip_comes_last_and_answers_the_clients_request(pad):
    """The strip comes last before idle, and answers the client's request."""
    asked = pad.run("print()", "x")
    assert kinds(pad) == ["status", "execute_input", "stream", "strip", "status"]
    assert pad.strips[0][2]["msg_id"] == asked.msg_id


async def test_without_sites_a_notebook_is_as_any_other(workspace):
    pad = Notebook(workspace)
    pad.run("print()", "x")
    assert kinds(pad) == ["status", "execute_input", "stream", "status"]


async def test_the_client_gets_the_kernels_frames_as_they_came(pad):
    """What the client gets of the kernel is the frames as they came."""
    asked = pad.begin()
    frames = message("stream", {"name": "stdout", "text": "x"}, asked.header)
    pad.relay.see_iopub(frames)
    assert pad.relay.passed[-1] is frames


async def test_a_strip_is_painted_anew_when_a_site_speaks(pad):
    pad.run("print()", "x")
    pad.verdict(1, "differs")
    await asyncio.sleep(0.01)
    kind, content, _ = pad.strips[-1]
    assert kind == "update_display_data"
    assert content["transient"] == pad.strips[0][1]["transient"]


async def test_once_the_session_is_over_nothing_is_painted(pad):
    pad.run("print()", "x")
    pad.pane.close()
    before = len(pad.strips)
    pad.verdict(1, "differs")
    await asyncio.sleep(0.01)
    assert len(pad.strips) == before


# ---------------------------------------------------------------- states of a site


async def test_queued_running_and_offline_as_the_site_says(pad):
    pad.run()
    number = pad.pane.cells.number(1).sent["a"]

    def line():
        return next(line for line in pad.report(1).sites if line.site == "a")

    pad.pane.on_site(state("a", online=False))
    assert (line().state, line().online) == (State.queued, False)
    pad.pane.on_site(state("a"))
    pad.link("ack", n=number)
    assert line().state is State.running
    pad.pane.on_site(state("a", online=False))
    assert line().state is State.running
    pad.verdict(1)
    assert line().state is State.same


@pytest.mark.parametrize("code", ["no_project", "unavailable"])
async def test_a_site_that_does_not_take_us_is_refused_and_settled(pad, code):
    pad.run("print()", "x")
    pad.link(code)
    pad.verdict(1, "same", "b")
    assert pad.report(1).settled
    assert [site.site for site in pad.report(1).named] == ["a"]


async def test_a_site_that_accepts_later_says_that_a_restart_has_it(pad):
    """It was not in the session from its first cell on, and nothing else told the researcher that it is there now."""
    del pad.pane.catalogued["b"]
    pad.link("no_project", site="b")
    pad.pane.on_site(state("b", catalogued=catalogued("b")))
    pad.pane.on_site(state("b", catalogued=catalogued("b")))
    told = [note for note in pad.pane.notes if note.endswith("has accepted this project since. Restart the kernel to have it.")]
    assert len(told) == 1


async def test_spent_settles_the_cell_without_calling_it_anything(pad):
    pad.run("print()", "x")
    pad.verdict(1, "same", "b")
    pad.link("spent", cell=1, left=3.0)
    assert pad.report(1).settled
    assert not pad.report(1).real
    assert pad.pane.sites["a"].left == 3.0


async def test_a_verdict_of_a_cell_that_was_never_sent_is_nothing(pad):
    pad.run("%%twin\n1", "x")
    everywhere(pad, 1)
    pad.verdict(99)
    assert not pad.report(1).real


async def test_the_key_that_a_site_came_with_first_is_its_key(pad):
    """A switchboard that shows another one later could forge releases and receipts with it."""
    pad.pane.on_site(state("a", catalogued=catalogued("a", SITE_KEYS["b"].public_hex)))
    assert pad.pane.catalogued["a"].public_key == SITE_KEYS["a"].public_hex
    assert any("another key" in note for note in pad.pane.notes)


async def test_a_catalogue_of_another_site_is_not_taken(pad):
    pad.pane.on_crossing("a", catalogued("b"))
    assert pad.pane.catalogued["a"].catalogue.site == "a"


async def test_packages_that_differ_are_named_once(pad):
    pad.pane.on_site(state("a", catalogued=catalogued("a", environment={"pandas": "0.1"})))
    pad.run()
    assert any("pandas 0.1" in note for note in pad.report(1).notes)
    pad.run()
    assert pad.report(2).notes == ()


# ---------------------------------------------------------------- before the clear kernel is up


async def test_until_the_kernel_is_up_only_kernel_info_is_answered(workspace):
    """Before the kernel is up, questions wait and kernel info does not."""
    pad = Notebook(workspace)
    pad.pane.open = False
    assert not pad.pane.on_request("shell", message("kernel_info_request", {}))
    assert pad.relay.replied[0][0] == "kernel_info_reply"
    asked = message("execute_request", {"code": "1"})
    assert not pad.pane.on_request("shell", asked)
    assert pad.relay.forwarded == []
    pad.pane.let_through()
    assert pad.relay.forwarded == [asked]


async def test_what_the_kernel_says_before_it_is_up_is_not_shown(workspace):
    """Clients were told that it is up, and expect nothing that nobody asked."""
    pad = Notebook(workspace)
    pad.pane.open = False
    pad.says(None, "status", {"execution_state": "starting"})
    pad.pane.let_through()
    pad.relay.see_iopub(message("status", {"execution_state": "idle"}, {"msg_id": "probe", "session": "the pane's own"}))
    assert pad.relay.passed == []


async def test_a_shutdown_before_the_kernel_is_up_is_answered(workspace):
    pad = Notebook(workspace)
    pad.pane.open = False
    assert not pad.pane.on_request("control", message("shutdown_request", {"restart": True}))
    assert pad.relay.replied == [("shutdown_reply", {"status": "ok", "restart": True})]
    assert pad.pane.ended.is_set()


async def test_the_reports_go_to_whoever_asks_with_the_right_key(pad):
    """The reports are given to whoever asks with the right key."""
    pad.run("print()", "x")
    assert not pad.pane.on_request("control", message("twinpane_cells_request", {}))
    kind, content = pad.relay.replied[-1]
    assert kind == "twinpane_cells_reply"
    assert not content["settled"]
    pad.pane.on_request("control", message("twinpane_cells_request", {}, key=b"other"))
    assert len(pad.relay.replied) == 1
