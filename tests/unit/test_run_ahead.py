"""What waits for inside runs is refused before a run with sites begins; today nothing does."""

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import twinpane
from twinpane_kernel import run_ahead
from twinpane_kernel.run_ahead import ANSWERED, check, waiting
from twinpane_kernel.run_children import RunError


@pytest.fixture
def train(monkeypatch):
    """A public name that is not known to need no inside run."""
    monkeypatch.setattr(twinpane, "__all__", [*twinpane.__all__, "train"])


def test_each_public_name_is_answered_without_an_inside_run():
    """Every public name of today is answered without an inside run.

    A new one is refused until somebody says of it, here and in `tp_calls`, that it need not wait.
    """
    assert set(twinpane.__all__) == ANSWERED


@pytest.mark.parametrize(
    "source",
    ["import twinpane as tp\ntp.train(1)", "from twinpane import train as t\nt()", "import twinpane\ntwinpane.train", "%%twin\ntp.train()"],
)
def test_a_use_of_it_is_found_with_its_line(train, source):
    assert [name for name, _ in waiting(source)] == ["train"]
    assert next(iter(waiting("x = 1\n\n" + "tp.train()"))) == ("train", 3)


@pytest.mark.parametrize("source", ["tp.sql('x')", "model.train()", "'tp.train()'", "# tp.train()", "for", "%matplotlib inline", "\0"])
def test_what_is_no_use_of_it_is_let_through(train, source):
    """What is no plain Python is looked at when it calls."""
    assert list(waiting(source)) == []


def test_the_notebook_is_refused_with_the_place_and_the_reason(train):
    book = new_notebook(cells=[new_markdown_cell("tp.train()"), new_code_cell("1"), new_code_cell("\ntp.train()")])
    with pytest.raises(RunError, match=r"tp\.train in cell 3, line 2: waits for the sites' runs"):
        check(book)
    run_ahead.check(new_notebook(cells=[new_code_cell("tp.reveal(1, 'n')")]))
