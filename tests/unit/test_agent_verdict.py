"""What a site says of a cell: same of equal outputs alone, a failure by class and line, whatever a kernel puts into its traceback."""

import pytest
from agent_desk import failure, said

from twinpane_site.verdict import DIED, Run, find
from twinpane_wire.prefix_code import FAILURES, Outcome

TWO_LINES = "x = 1\n1/0"
NOTHING = said().digest("twin")


def test_equal_outputs_are_the_same():
    assert find(Run(said("a")), "1").against(said("a").digest("twin")).outcome is Outcome.same


@pytest.mark.parametrize(("inside", "outside"), [(said("a"), said("b")), (said("a"), said()), (said(), said("a"))])
def test_other_outputs_differ(inside, outside):
    assert find(Run(inside), "1").against(outside.digest("twin")).outcome is Outcome.differs


def test_a_run_that_said_too_much_is_never_the_same():
    outputs = said("a")
    outputs.dropped = 1
    assert find(Run(outputs), "1").against(outputs.digest("twin")).outcome is Outcome.differs


def test_the_same_error_is_the_same():
    run = failure("ValueError", "Cell In[1], line 1")
    assert find(run, "1").against(run.outputs.digest("twin")).outcome is Outcome.same


def test_a_dead_kernel_is_never_the_same_as_a_silent_twin():
    """A dead kernel is never the same as a twin that said nothing."""
    assert find(Run(said(), died=True), "1") == DIED
    judgement = DIED.against(NOTHING)
    assert (judgement.outcome, judgement.failure, judgement.line) == (Outcome.failed, "KernelDied", 1)


@pytest.mark.parametrize("name", ["ZeroDivisionError", "KeyError", "Other"])
def test_a_failure_is_named_from_the_fixed_list(name):
    assert find(failure(name, "Cell In[1], line 2"), TWO_LINES).otherwise.failure == name


@pytest.mark.parametrize("name", ["E" + "ab" * 16, "", "valueerror", "KeyError\n", None, 7, ["KeyError"], {"a": 1}])
def test_every_other_class_is_other(name):
    """A class that a cell made may be named by rows."""
    judgement = find(failure(name, "Cell In[1], line 2"), TWO_LINES).otherwise
    assert judgement.failure == "Other"
    assert judgement.failure in FAILURES


@pytest.mark.parametrize(("traceback", "line"), [
    (["Cell In[1], line 2"], 2),
    (["\x1b[36mCell\x1b[39m\x1b[36m \x1b[39m\x1b[32mIn[1]\x1b[39m\x1b[32m, line 2\x1b[39m"], 2),
    (["Cell In[1], line 1, in f", "Cell In[1], line 2, in g"], 2),
    (["Cell In[2], line 2"], 1),
    (["Cell In[1], line 900"], 2),
    (["Cell In[1], line 0"], 1),
    (["Cell In[1], line 99999999999999999999"], 2),
    (["Cell In[1], line " + "9" * 10_000], 2),
    (["Cell In[" + "1" * 10_000 + "], line 2"], 1),
    (["Cell In[1], line ٢"], 1),
    (["Cell In[1], line -1"], 1),
    (["x" * 300_000, "Cell In[1], line 2"], 1),
    ([], 1),
    (["\x1b[" + "1;" * 100_000], 1),
])  # fmt: skip
def test_a_line_is_one_of_the_cells_own(traceback, line):
    """Whatever the traceback says: counted within the cell, so that the code's price covers it."""
    assert find(failure("ValueError", *traceback), TWO_LINES).otherwise.line == line


@pytest.mark.parametrize("traceback", [None, "Cell In[1], line 2", 5, {"a": 1}, [None, 3]])
def test_a_traceback_of_another_type_is_no_traceback(traceback):
    run = failure("ValueError")
    run.error["traceback"] = traceback
    assert find(run, TWO_LINES).otherwise.line == 1
