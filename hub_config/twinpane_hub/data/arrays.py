"""Small bridges from numpy to Arrow columns."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa


def strings(values: Sequence[str | None], index: np.ndarray) -> pa.Array:
    """A plain string column: ``values[index]``. Plain, because a dictionary column would be a category in pandas."""
    return pa.array(values, pa.string()).take(pa.array(index))


def integers(values: Sequence[int], index: np.ndarray) -> pa.Array:
    """``values[index]`` as 64-bit integers."""
    return pa.array(np.asarray(values, dtype=np.int64)[index])


def constant(value: int, count: int) -> pa.Array:
    """A column of one number."""
    return pa.array(np.full(count, value, dtype=np.int64))


def days(values: np.ndarray) -> pa.Array:
    """Days since 1970 as dates."""
    return pa.array(values.astype(np.int32), pa.int32()).cast(pa.date32())
