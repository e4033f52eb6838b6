"""Linear programs over numbers of which some sums are known (HiGHS).

Apart, as SciPy takes long to load and most answers need none. Whether one does depends on rows: see ``Broker.warm``.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_array

Known = tuple[Sequence[int], int, float]
"""A sum: the places of its numbers, the sign that they have in it, and how much it is (at most)."""


class Program:
    """What is known of ``size`` numbers together: sums that are ``equal`` to a number, and sums that are ``below`` one, or that."""

    def __init__(self, size: int, equal: Sequence[Known], below: Sequence[Known]) -> None:
        self._equal, self._equal_to = _matrix(size, equal)
        self._below, self._below_of = _matrix(size, below)

    def least(self, objective: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> Any:
        """SciPy's result for the least value of ``objective`` with every number between ``low`` and ``high``."""
        return linprog(
            objective, A_ub=self._below, b_ub=self._below_of, A_eq=self._equal, b_eq=self._equal_to, bounds=np.column_stack((low, high)),
            method="highs",
        )  # fmt: skip


def _matrix(size: int, sums: Sequence[Known]) -> tuple[csr_array | None, NDArray[np.float64] | None]:
    if not sums:
        return None, None
    entries = [(sign, row, place) for row, (places, sign, _) in enumerate(sums) for place in places]
    values, rows, columns = zip(*entries, strict=True)
    return csr_array((np.array(values, dtype=float), (rows, columns)), shape=(len(sums), size)), np.array([limit for *_, limit in sums])
