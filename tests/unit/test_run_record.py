"""What `twinpane run` writes into a notebook: the verdicts as they came, and no mark that was not earned."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from twinpane_kernel.cell_report import CellReport, ExportedReport, RevealReport, SiteReport, State
from twinpane_kernel.run_notebook import Outcome
from twinpane_kernel.run_parameters import ParameterError, inject, value_of
from twinpane_kernel.run_record import record, wipe
from twinpane_kernel.strip import MIME, bundle


def report(*states, outputs=True, **more):
    """A report at sites a, b, … in those states."""
    failed = {"failure": "KeyError", "line": 3}
    sites = tuple(
        SiteReport(site="abc"[i], title=f"Site {'ABC'[i]}", state=state, **failed if state == "failed" else {})
        for i, state in enumerate(states)
    )
    return CellReport(cell=1, msg_id="m", outputs=outputs, sites=sites, **more)


def strip_of(one):
    """A strip as the pane paints it."""
    return new_output("display_data", data=bundle(one), metadata={"twinpane": {"strip": 1}})


def notebook(*outputs):
    """A notebook of a text and one cell with these outputs."""
    return new_notebook(cells=[new_markdown_cell("# Title"), new_code_cell("x", outputs=list(outputs))])


def table(**metadata):
    """An ordinary display."""
    return new_output("display_data", data={"text/plain": "a table"}, metadata=metadata)


def test_verdicts_reveals_and_releases_are_in_the_cells_metadata():
    """One entry per site, one per reveal, by the names of the schema's first version."""
    made = notebook(table())
    item = ExportedReport(site="a", request="r" * 32, form="text", name="t.txt", sha256="0" * 64, content="aGVsbG8=")
    record(made, {1: report(
        "same", "differs", "failed", reveals=(RevealReport(name="AUC", digits=3, values={"a": 0.812, "b": None}),),
        releases=("f" * 32,), exported=(item,), left={"a": 1000.0},
    )}, settled=True)  # fmt: skip
    told = made.cells[1].metadata.twinpane
    assert told["version"] == 1
    assert told["sites"]["a"] == {"title": "Site A", "state": "same", "verdict": "same"}
    assert told["sites"]["b"]["verdict"] == "differs"
    assert told["sites"]["c"] == {"title": "Site C", "state": "failed", "verdict": "failed", "failure": "KeyError", "line": 3}
    assert told["reveals"] == [{"name": "AUC", "digits": 3, "values": {"a": 0.812, "b": None}}]
    assert told["releases"] == ["f" * 32]
    assert told["exported"] == [{"site": "a", "request": "r" * 32, "form": "text", "name": "t.txt", "sha256": "0" * 64}]
    assert made.metadata.twinpane == {"version": 1, "sites": {"a": "Site A", "b": "Site B", "c": "Site C"}, "settled": True}
    nbformat.validate(made)


@pytest.mark.parametrize("state", [s for s in State if s not in ("same", "differs", "failed")])
def test_a_verdict_that_did_not_come_is_null(state):
    """Silence is never taken for a verdict."""
    made = notebook(table())
    record(made, {1: report(state)}, settled=False)
    assert made.cells[1].metadata.twinpane["sites"]["a"] == {"title": "Site A", "state": str(state), "verdict": None}


@pytest.mark.parametrize(
    ("one", "mark"),
    [
        (report("same", "same"), "real"), (report("same", "differs"), "synthetic"), (report("same", "queued"), "synthetic"),
        (report(), "synthetic"), (report("same", interacted=True), "synthetic"), (report("rehearsal"), "synthetic"),
    ],
)  # fmt: skip
def test_every_output_is_marked_and_real_is_earned(one, mark):
    """Whatever a cell itself wrote in the place of the mark is overwritten."""
    made = notebook(table(twinpane={"mark": "real"}), new_output("stream", text="rows"), table())
    record(made, {1: one}, settled=True)
    shown = [o.metadata.twinpane for o in made.cells[1].outputs if o.output_type == "display_data" and MIME not in o.data]
    assert shown == [{"mark": mark}] * 2
    assert made.cells[1].metadata.twinpane["mark"] == mark
    nbformat.validate(made)


def test_the_strip_shows_the_final_state():
    """The one painted while sites ran is replaced, at the end of the outputs."""
    made = notebook(table(), strip_of(report("running")))
    record(made, {1: report("differs")}, settled=True)
    assert made.cells[1].outputs[-1].data["text/plain"] == "[synthetic] Site A: differs, held"
    assert len(made.cells[1].outputs) == 2


def test_a_strip_that_has_nothing_to_say_any_more_is_removed():
    """Other readers see the notebook as they expect it."""
    made = notebook(strip_of(report("running", outputs=False)))
    record(made, {1: report("same", outputs=False)}, settled=True)
    assert made.cells[1].outputs == []


def test_a_strip_that_a_cell_fakes_is_a_synthetic_output():
    """The pane's kind of display without the pane's hand is marked like any other; the true strip comes last."""
    fake = new_output("display_data", data=bundle(report("same")), metadata={})
    made = notebook(fake, strip_of(report("running")))
    record(made, {1: report("differs")}, settled=True)
    assert made.cells[1].outputs[0].metadata.twinpane == {"mark": "synthetic"}
    assert made.cells[1].outputs[-1].data["text/plain"] == "[synthetic] Site A: differs, held"


def test_a_faked_strip_cannot_stay_unmarked_by_naming_itself_one():
    """With the pane's metadata too it is taken for an old strip, and goes."""
    made = notebook(strip_of(report("same")), table())
    record(made, {1: report("differs")}, settled=True)
    assert [o.data.get("text/plain") for o in made.cells[1].outputs] == ["a table", "[synthetic] Site A: differs, held"]


def test_shown_output_of_which_nothing_is_known_is_synthetic():
    """What a cell shows of which nothing is known is synthetic.

    The kernel ended before it could tell: no output stays without a mark, and no strip that was painted on the way.
    """
    made = notebook(table(twinpane={"mark": "real"}), strip_of(report("running")))
    record(made, {}, settled=False)
    assert [output.metadata.twinpane for output in made.cells[1].outputs] == [{"mark": "synthetic"}]
    assert "twinpane" not in made.cells[1].metadata


def test_marks_and_outputs_of_earlier_runs_are_wiped():
    """What the saved notebook shows came from this run."""
    made = notebook(table(twinpane={"mark": "real"}))
    made.cells[1].metadata["twinpane"] = {"mark": "real"}
    made.cells[1].execution_count = 7
    made.metadata["twinpane"] = {"settled": True}
    wipe(made)
    assert made.cells[1].outputs == []
    assert made.cells[1].execution_count is None
    assert "twinpane" not in made.cells[1].metadata
    assert "twinpane" not in made.metadata


@pytest.mark.parametrize(
    ("text", "value"), [("3", 3), ("0.5", 0.5), ("True", True), ("None", None), ("abc", "abc"), ("[1]", "[1]"), ("exit()", "exit()")]
)
def test_a_parameter_is_a_number_a_truth_value_nothing_or_a_text(text, value):
    """Never code."""
    assert value_of(text) == value


def test_parameters_follow_the_cell_that_is_tagged_for_them():
    """And replace those of an earlier run."""
    made = new_notebook(cells=[new_code_cell("a"), new_code_cell("n = 1", metadata={"tags": ["parameters"]}), new_code_cell("b")])
    inject(made, [("n", "2"), ("who", "it's")])
    inject(made, [("n", "3"), ("who", "it's")])
    assert [cell.source for cell in made.cells][1:3] == ["n = 1", '# Parameters of this run\nn = 3\nwho = "it\'s"']
    assert len(made.cells) == 4


@pytest.mark.parametrize("name", ["1a", "a b", "class", "", "a;b"])
def test_a_parameters_name_is_a_name(name):
    """Nothing else gets into the cell."""
    with pytest.raises(ParameterError):
        inject(new_notebook(), [(name, "1")])


def test_cells_without_a_verdict_take_one_line_per_site():
    """Cells without a verdict are told of in one line per site.

    A meter that is spent early in a long notebook would else fill the screen.
    """
    cells = {index: report("same", "spent" if index in (2, 3, 4, 6) else "same") for index in range(8)}
    outcome = Outcome(reports=cells, sites={"a": {}, "b": {}})
    assert outcome.troubles(allow_errors=False) == ["Cells 3 to 5, 7 have no verdict from Site B: its meter is spent."]
    assert Outcome(reports={0: report("spent")}, sites={"a": {}}).troubles(allow_errors=False) == [
        "Cell 1 has no verdict from Site A: its meter is spent."
    ]
