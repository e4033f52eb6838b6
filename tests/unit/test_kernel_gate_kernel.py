"""A clear kernel beyond the gate: what the gate says is taken for what it is."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from twinpane_kernel.gate_kernel import ENDED, GateKernel


@pytest.fixture
def gate() -> Iterator[tuple[GateKernel, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, socket.socket(socket.AF_UNIX) as listener:
        kernel = GateKernel(ours, Path("/nowhere"), "key", listener)
        yield kernel, theirs
        theirs.close()
        kernel.close()


@pytest.mark.parametrize("frame", [b"7", b"[]", b'"ended"', b"null", b"\xff"])
def test_what_is_no_object_says_nothing_of_the_kernel(gate: tuple[GateKernel, socket.socket], frame: bytes) -> None:
    """A number broke the watch over the kernel, which then was never seen to end."""
    kernel, far = gate
    far.send(frame)
    assert kernel.poll() is None


def test_a_kernel_that_ended_leaves_its_last_words(gate: tuple[GateKernel, socket.socket]) -> None:
    kernel, far = gate
    far.send(b'{"ended": "no memory"}')
    assert kernel.poll() == ENDED
    assert kernel.said() == b"no memory"


def test_a_kernel_whose_gate_is_gone_has_ended(gate: tuple[GateKernel, socket.socket]) -> None:
    kernel, far = gate
    far.close()
    assert kernel.poll() == ENDED
    assert kernel.said() == b"the gate is gone"
