"""Make Arrow columns from numpy arrays."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def strings(values: Sequence[str | None], index: Ints) -> pa.Array:
    """A plain string column: ``values[index]``. Plain, because a dictionary column would be a category in pandas."""
    return pa.array(values, pa.string()).take(pa.array(index))


def integers(values: Sequence[int], index: Ints) -> pa.Array:
    """``values[index]`` as 64-bit integers."""
    return pa.array(np.asarray(values, dtype=np.int64)[index])


def constant(value: int, count: int) -> pa.Array:
    """A column of one number."""
    return pa.array(np.full(count, value, dtype=np.int64))


def days(values: Ints) -> pa.Array:
    """Days since 1970 as dates."""
    return pa.array(values.astype(np.int32), pa.int32()).cast(pa.date32())
