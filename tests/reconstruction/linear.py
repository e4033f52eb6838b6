"""Linear reconstruction: sums over many sets, solved for the persons (Dinur and Nissim 2003; Cohen and Nissim 2020).

The attacker knows everybody's place, race, sex and year of birth. He asks about random sets of them, and works out for everybody the
value that fits all answers best, between the least and the greatest possible, with the site's average as his first guess.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import pandas as pd

from twinpane_broker.rules.policy import Rules

from .attacker import Attacker, Seen
from .conditions import atoms_of, conditions, with_every_place
from .result import Result
from .setting import Setting

FIRST = 200
"""Questions at the first look at what is known; then at twice as many, and so on."""
STEPS = 600
TOLD = 0.41
"""What rounding leaves open, as a standard deviation: the base times this (drawn up or down: 1 / √6)."""


@dataclass
class Sums:
    """What answers say: of which atoms, what sum, how sure (one standard deviation)."""

    rows: list[np.ndarray] = field(default_factory=list)
    sums: list[float] = field(default_factory=list)
    sure: list[float] = field(default_factory=list)

    def add(self, mask: np.ndarray, low: float, high: float) -> None:
        """A sum lies between two numbers."""
        self.rows.append(mask)
        self.sums.append((low + high) / 2)
        self.sure.append(max(TOLD * (high - low), 0.05))


def solved(known: Sums, sizes: np.ndarray, usual: float, spread: float, most: float) -> np.ndarray:
    """The likeliest mean of each atom, within 0 … ``most``; ``usual`` and ``spread`` are one person's mean and standard deviation.

    Least squares, weighted by how sure each sum is, drawn to the usual by how much persons spread: accelerated projected gradients
    (Beck and Teboulle 2009, begun anew where they turn) in coordinates of equal curvature.
    """
    if not known.rows:
        return np.full(len(sizes), usual)
    sure = np.array(known.sure, dtype=np.float32)
    matrix = np.array(known.rows, dtype=np.float32) * sizes[None, :].astype(np.float32) / sure[:, None]
    missed = (np.array(known.sums, dtype=np.float32) - np.array(known.rows, dtype=np.float32) @ (sizes * usual).astype(np.float32)) / sure
    scale = (1 / np.sqrt((matrix**2).sum(axis=0) + sizes / spread**2)).astype(np.float32)
    matrix *= scale
    prior = (sizes / spread**2).astype(np.float32) * scale**2
    low, high = -usual / scale, (most - usual) / scale
    step = 1 / (_curvature(matrix) + float(prior.max()))
    x = last = np.zeros(len(sizes), dtype=np.float32)
    ahead, pace = x, 1.0
    for _ in range(STEPS):
        slope = matrix.T @ (matrix @ ahead - missed) + prior * ahead
        last, x = x, np.clip(ahead - step * slope, low, high).astype(np.float32)
        if (slope * (x - last)).sum() > 0:
            pace = 1.0
        faster = (1 + np.sqrt(1 + 4 * pace**2)) / 2
        ahead, pace = (x + np.float32((pace - 1) / faster) * (x - last)), faster
    return usual + scale * x


def _curvature(matrix: np.ndarray) -> float:
    """The largest eigenvalue of AᵀA, a little more than by power iteration."""
    x = np.ones(matrix.shape[1], dtype=np.float32)
    for _ in range(20):
        x = matrix.T @ (matrix @ x)
        x /= np.linalg.norm(x)
    return 1.05 * float(np.linalg.norm(matrix @ x)) ** 2


@dataclass(frozen=True)
class Kind:
    """What is asked of each set, and what of everybody shall come out."""

    name: str
    sql: str
    secret: str
    usual: float
    spread: float
    most: float
    above: float
    """Who has more of the secret than this is guessed to have the attribute."""
    table: bool = False


KINDS = (
    Kind("linear: counts", "select count(*) n from person where {} and ill = true", "ill", 0.6, 0.49, 1, 0.5),
    Kind("linear: avg + sum", "select count(*) n, avg(weight), sum(weight) from person where {} and ill = true", "ill", 0.6, 0.49, 1, 0.5),
    Kind("linear: means", "select avg(score) from person where {}", "score", 5, 3.2, 10, 5.5),
    Kind("linear: tables", "select place, count(*) n from person where {} and ill = true group by place", "ill", 0.6, 0.49, 1, 0.5, True),
)
"""A table has at most ten cells."""


def linear(setting: Setting, kind: Kind) -> Iterator[Result]:
    """A result at 200 questions, at 400, and so on."""
    person, rules = setting.people, setting.rules
    atoms, place_of = atoms_of(person)
    sizes, known = atoms.n.to_numpy(), Sums()
    least, most = 3 * rules.threshold, min(25 * rules.threshold, setting.persons)
    if kind.table:
        wanted = with_every_place(setting.random, atoms, least)
    else:
        wanted = conditions(setting.random, atoms, least, most, rules.threshold)
    with setting.site(person=person) as attacker:
        look, reader = FIRST, Reader(kind, atoms, rules)
        for asked, (condition, mask) in enumerate(islice(wanted, setting.questions), 1):
            reader.read(attacker.ask(kind.sql.format(condition.sql())), mask, known)
            if asked in (look, setting.questions):
                look *= 2
                means = solved(known, sizes, kind.usual, kind.spread, kind.most)
                yield _scored(setting, kind, attacker, person, means[place_of])
                setting.progress(f"{kind.name}, {setting.preset}, {setting.persons:,} persons: {asked:,} questions")


def _scored(setting: Setting, kind: Kind, attacker: Attacker, person: pd.DataFrame, guesses: np.ndarray) -> Result:
    truth = person[kind.secret].to_numpy(dtype=float) > kind.above
    return setting.result(
        kind.name, attacker, float(((guesses > kind.above) == truth).mean()), max(truth.mean(), 1 - truth.mean()), len(person)
    )  # fmt: skip


@dataclass
class Reader:
    """Turns answers into sums. It knows how the site rounds: that is published."""

    kind: Kind
    atoms: pd.DataFrame
    rules: Rules
    _follows: list[bool] = field(default_factory=list)
    """Of answers: whether the shown sum is the shown mean times the shown count, and so tells nothing more."""

    def read(self, seen: Seen, mask: np.ndarray, known: Sums) -> None:
        """Add what an answer says."""
        sizes = self.atoms.n.to_numpy()
        for key, values in seen.cells.items():
            who = mask & (self.atoms.place == key[0]).to_numpy() if self.kind.table else mask
            if values[0] is None or not who.any():
                continue
            near = self.rules.most_about if seen.marked and (key in seen.marks or not seen.marks) else 0
            if self.kind.secret == "score":
                n, step = int(sizes[who].sum()), half_a_step(values[0])
                known.add(who, n * (values[0] - step) - 10 * near, n * (values[0] + step) + 10 * near)
            else:
                low, high = between(values if self._tells_more(values) else values[:1], self.rules)
                known.add(who, low - near, high + near)

    def _tells_more(self, values: tuple[float | None, ...]) -> bool:
        if len(values) < 3 or None in values:
            return False
        count, mean, total = values
        self._follows.append(abs(total - mean * count) <= 1.01 * half_a_step(total))
        return sum(self._follows) < 0.9 * len(self._follows)


def between(values: tuple[float | None, ...], rules: Rules) -> tuple[float, float]:
    """Between which numbers a count lies: by itself, and by the mean and the sum beside it if they are there."""
    noise = rules.noise_bound if rules.noise != "none" else 0
    count, off = float(values[0]), (rules.base - 1) / 2 + noise
    low, high = count - off, count + off
    if len(values) < 3 or None in values:
        return low, high
    mean, total = values[1], values[2]
    # Mean and sum are made of the number with its noise: that is the number they tell.
    least, most = (total - half_a_step(total)) / (mean + half_a_step(mean)), (total + half_a_step(total)) / (mean - half_a_step(mean))
    first, last = max(low, np.ceil(least - noise - 1e-9)), min(high, np.floor(most + noise + 1e-9))
    return (first, last) if first <= last else (low, high)


def half_a_step(value: float) -> float:
    """Half a step of the last of three digits."""
    return 0.5 * 10 ** (np.floor(np.log10(abs(value))) - 2) if value else 0.005
