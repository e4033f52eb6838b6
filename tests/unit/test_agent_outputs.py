"""What a hostile kernel says cannot fill or stall whoever reads it: numbers of outputs and of display ids are bounded."""

import pytest

from twinpane_wire import canonical
from twinpane_wire.canonical import DisplayNames, Outputs


def display(display_id, text="x"):
    return {"data": {"text/plain": text}, "metadata": {}, "transient": {"display_id": display_id}}


def test_only_so_many_outputs_are_kept(monkeypatch):
    """Only a limited number of outputs is kept. The rest makes the digest unlike any other."""
    monkeypatch.setattr(canonical, "ITEMS", 3)
    outputs = Outputs(DisplayNames())
    for n in range(5):
        outputs.add("display_data", display(f"d{n}"))
    assert len(list(outputs)) == 3
    assert outputs.dropped == 2
    assert outputs.digest("inside") != outputs.digest("twin")


def test_a_stream_counts_once_however_often_it_is_written_to(monkeypatch):
    monkeypatch.setattr(canonical, "ITEMS", 3)
    outputs = Outputs(DisplayNames())
    for n in range(1000):
        outputs.add("stream", {"name": "stdout" if n % 2 else "stderr", "text": "x"})
    assert outputs.dropped == 0


def test_only_so_many_display_ids_get_numbers(monkeypatch):
    monkeypatch.setattr(canonical, "NAMES", 2)
    names = DisplayNames()
    assert [names.number(name) for name in ("a", "b", "c", "d", "a")] == [1, 2, 0, 0, 1]


@pytest.mark.parametrize("long", ["x" * 1000, "\ud800" * 1000])
def test_long_display_ids_are_not_kept(long):
    names = DisplayNames()
    assert names.number(long) == names.number(long) == 1
    assert max(len(name) for name in names._numbers) == 64
    assert names.number(long + "y") == 2
