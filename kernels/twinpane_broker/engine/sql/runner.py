"""The interface between broker and database: it runs the broker's own SQL on a store, and gives small or large results."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from .dialect import Dialect, Parameter


class Runner(Protocol):
    """One question's connection to an engine; used by one thread. ``measure`` calls it, engines implement it.

    Both methods may raise whatever the engine raises: the engine's ``measure`` logs it inside and raises EngineError instead.
    """

    @property
    def dialect(self) -> Dialect:
        """How the engine's SQL differs."""
        ...

    def rows(self, sql: str, parameters: Sequence[Parameter]) -> list[tuple[Any, ...]]:
        """All rows of a small result. Whole numbers as int (or what ``int`` takes), doubles as float, arrays as lists, NULL as None."""
        ...

    def batches(self, sql: str, parameters: Sequence[Parameter]) -> Iterator[tuple[np.ndarray, ...]]:
        """A large result in pieces, each an array per column, all of the same length; the memory taken does not grow with the result.

        Columns are whole numbers (any integer type) without NULL. No batch is empty. A result without rows has no batch. Any order will do.
        """
        ...
