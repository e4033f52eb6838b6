"""What the pane remembers of a cell: large texts are read late, and nothing shows that they were."""

import json

import pytest

from twinpane_kernel.cells import UNREAD, Cell, Cells
from twinpane_kernel.message import Message
from twinpane_wire.canonical import DisplayNames, Outputs


def stream(text: str) -> Message:
    """A message of a printed text, as the relay gives it."""
    content = json.dumps({"name": "stdout", "text": text}).encode()
    return Message((), (b"<IDS|MSG>", b"", b"{}", b"{}", b"{}", content), {"msg_type": "stream"})


@pytest.fixture
def cell() -> Cell:
    """A running cell that said nothing yet."""
    return Cells().start("request", b"{}", "print('x')", 1, silent=False)


def read_at_once(*texts: str) -> str:
    """The digest of the same texts, read as they come."""
    outputs = Outputs(DisplayNames())
    for text in texts:
        outputs.add("stream", {"name": "stdout", "text": text})
    return outputs.digest()


def test_a_text_read_late_gives_the_digest_of_one_read_at_once(cell: Cell) -> None:
    """A text that is read late gives the digest of one that is read at once. Or the verdict would be differs for every long print."""
    cell.printed(stream("a" * 100))
    cell.outputs.add("stream", {"name": "stdout", "text": "then a short one"})
    cell.printed(stream("b" * 100))
    assert cell.outputs.digest() == read_at_once("a" * 100, "then a short one", "b" * 100)


def test_a_text_that_is_not_read_yet_is_an_output_all_the_same(cell: Cell) -> None:
    """The strip marks it before anyone parsed it."""
    cell.printed(stream("a"))
    assert cell.report({}).outputs
    assert cell.unread, "the report must not wait for what it need not know"


def test_a_long_text_before_an_error_is_no_error_alone(cell: Cell) -> None:
    """Such a cell gets its mark."""
    cell.printed(stream("a"))
    cell.said.add("error", {"ename": "E", "evalue": "", "traceback": []})
    assert not cell.failed_alone


def test_only_so_many_texts_wait_to_be_read(cell: Cell) -> None:
    """A cell that prints without end does not fill the pane's memory."""
    for _ in range(UNREAD + 1):
        cell.printed(stream("a"))
    assert not cell.unread
