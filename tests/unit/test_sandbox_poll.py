"""Waiting for a descriptor, whatever its number."""

import os
from collections.abc import Iterator

import pytest

from twinpane_sandbox.poll import readable


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Reading and writing end; the reading one has a number that select(2) does not know."""
    low, writing = os.pipe()
    reading = os.dup2(low, 1500)
    os.close(low)
    yield reading, writing
    os.close(reading)


def test_what_can_be_read_or_has_ended_is_told(pipe: tuple[int, int]) -> None:
    """Readable and closed descriptors are reported; silent ones are not."""
    reading, writing = pipe
    assert not readable(reading, 0)
    assert not readable(reading, 0.001)
    os.write(writing, b"x")
    assert readable(reading, 0)
    os.read(reading, 1)
    os.close(writing)
    assert readable(reading, 10), "its other end is gone"
