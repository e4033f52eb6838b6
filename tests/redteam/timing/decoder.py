"""The best reading of times that we could write: two learners, tried on windows that they were not trained on, and what hits are worth.

The sender says one bit a window. A reader who is right with probability p has learnt 1 - H(p) bits of it: the capacity of a binary
symmetric channel (Shannon 1948). The interval is that of Clopper and Pearson for p, carried over.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

FOLDS = 5
GRIDS_MS = (10, 50, 100, 200, 250, 400, 1000)
"""Periods of which the decoder looks at the phase of departures."""


@dataclass(frozen=True)
class Rate:
    """What the reader learns, in bits an hour, with the 95 % interval, and the share of windows read rightly."""

    bits_an_hour: float
    low: float
    high: float
    right: float
    windows: int


@dataclass(frozen=True)
class Probe:
    """One thing that the outside sent, and when its answer left the site; ``left`` None where none was seen. Seconds."""

    kind: str
    sent: float
    left: float | None


def features(windows: Sequence[Sequence[Probe]], length: float) -> np.ndarray:
    """One row a window: features of the answers to its probes and to the next window's, since effects last into that."""
    rows = [_row(window, length) for window in windows]
    width = max(len(row) for row in rows)
    own = np.array([row + [0.0] * (width - len(row)) for row in rows])
    return np.hstack([own, np.vstack([own[1:], own[-1:]])])


def _row(window: Sequence[Probe], length: float) -> list[float]:
    delays = [min(p.left - p.sent, 8 * length) if p.left is not None else 8 * length for p in window]
    left = [p.left for p in window if p.left is not None]
    row = [*delays, *(math.log(max(delay, 1e-6)) for delay in delays)]
    for kind in sorted({p.kind for p in window}):
        of = np.array([delay for p, delay in zip(window, delays, strict=True) if p.kind == kind])
        row += [of.mean(), of.max(), of.min(), of.std(), float(np.median(of)), float(np.log(of).mean())]
    for grid in GRIDS_MS:
        phases = np.array([at * 1000 % grid for at in left]) if left else np.zeros(1)
        row += [phases.mean(), phases.max(), phases.min(), phases.std()]
    gaps = np.diff(sorted(left)) if len(left) > 1 else np.zeros(1)
    return [*row, gaps.max(), gaps.std(), float((gaps < 1e-4).sum()), float(len(left))]


def read(bits: Sequence[int], rows: np.ndarray, length: float) -> Rate:
    """The better of two readers, each judged on windows that it was not trained on."""
    truth, folds = np.array(bits), KFold(FOLDS)
    readers = [
        make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=2000)),
        HistGradientBoostingClassifier(max_iter=80, learning_rate=0.08, max_leaf_nodes=8, l2_regularization=1.0, random_state=0),
    ]
    with threadpool_limits(1):  # threads that wait for each other are slow on a busy machine
        hits = max(int((cross_val_predict(reader, rows, truth, cv=folds) == truth).sum()) for reader in readers)
    return rate(hits, len(truth), length)


def rate(hits: int, windows: int, length: float) -> Rate:
    """What so many hits in so many windows of ``length`` seconds are worth."""
    low = float(beta.ppf(0.025, hits, windows - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.975, hits + 1, windows - hits)) if hits < windows else 1.0
    an_hour = 3600 / length
    high = max(high, 0.5 + (high - low) / 2)  # a reader below chance was unlucky: that many windows could not have told more
    worth = [0.0 if p <= 0.5 else an_hour * (1 - entropy(p)) for p in (hits / windows, low, high)]
    return Rate(worth[0], worth[1], worth[2], hits / windows, windows)


def entropy(p: float) -> float:
    """Bits of a coin that falls on its head with probability ``p``."""
    return 0.0 if p in (0.0, 1.0) else -p * math.log2(p) - (1 - p) * math.log2(1 - p)
