"""The published prefix code of verdicts and reveals: what each costs in bits, and when each may leave.

A verdict's code is a path in a tree: outcome, then class and line of a failure, then its tick. A reveal's code is its digits,
sign and exponent, then its tick. Lengths are ideal (-log2 P), so their sum bounds how much the transcripts of two data sets
can differ: at most 2^B transcripts for a budget of B bits (Kraft's inequality). This holds because a verdict leaves only if its
reserve (``verdict_reserve``) is left, which is decided before looking at what it says.
"""

import math
from enum import StrEnum
from typing import Literal, get_args

from pydantic import Field

from twinpane_broker import Closed

Failure = Literal[
    "ArithmeticError",
    "AssertionError",
    "AttributeError",
    "BlockingIOError",
    "BrokenPipeError",
    "BufferError",
    "ChildProcessError",
    "ConnectionError",
    "EOFError",
    "Exception",
    "FileExistsError",
    "FileNotFoundError",
    "FloatingPointError",
    "ImportError",
    "IndentationError",
    "IndexError",
    "InterruptedError",
    "IsADirectoryError",
    "KernelDied",
    "KeyError",
    "KeyboardInterrupt",
    "LookupError",
    "MemoryError",
    "ModuleNotFoundError",
    "NameError",
    "NotADirectoryError",
    "NotImplementedError",
    "OSError",
    "Other",
    "OverflowError",
    "PermissionError",
    "ProcessLookupError",
    "RecursionError",
    "ReferenceError",
    "RuntimeError",
    "StopAsyncIteration",
    "StopIteration",
    "SyntaxError",
    "SystemError",
    "SystemExit",
    "TabError",
    "TimeoutError",
    "TypeError",
    "UnboundLocalError",
    "Unfinished",
    "UnicodeDecodeError",
    "UnicodeEncodeError",
    "UnicodeError",
    "ValueError",
    "ZeroDivisionError",
]
"""The exception classes that a failure may name. All others, such as a class defined in a cell, are ``Other``. Two are the site's own
words: ``KernelDied`` means that the kernel is gone, ``Unfinished`` that the cell had no verdict before the last tick."""
FAILURES: tuple[Failure, ...] = get_args(Failure)
SHORTEST_LAST_TICK_MS = 60_000
"""Milliseconds from a cell's arrival to the last tick, at least. At that tick a verdict can only say *unfinished*."""


class Outcome(StrEnum):
    """What a site's verdict says of a cell."""

    same = "same"
    differs = "differs"
    failed = "failed"


class PrefixCode(Closed):
    """The parameters of the code: a site's policy, published beside its catalogue."""

    same: float = Field(default=0.90, gt=0, lt=1)
    differs: float = Field(default=0.08, gt=0, lt=1)
    failed: float = Field(default=0.02, gt=0, lt=1)
    first_tick_ms: int = Field(default=100, ge=1)
    ticks: int = Field(default=24, ge=1, le=40)
    """Number of the last tick. A verdict that leaves then says *unfinished*, whatever became of the run."""

    def model_post_init(self, _context: object) -> None:
        """Refuse probabilities that add up to more than one (no prefix code has them), and a last tick that comes too early."""
        if self.same + self.differs + self.failed > 1 + 1e-9:
            raise ValueError("the probabilities of same, differs and failed add up to more than 1")
        if self.tick_ms(self.ticks) < SHORTEST_LAST_TICK_MS:
            raise ValueError(
                f"the last tick comes {self.tick_ms(self.ticks) / 1000:g} s after a cell, and nothing is told of what takes longer: "
                f"raise ticks or first_tick_ms until it is {SHORTEST_LAST_TICK_MS // 1000} s at least"
            )

    def tick(self, elapsed_ms: float) -> int:
        """The first tick at or after ``elapsed_ms`` from the cell's arrival; the last tick, if that is earlier."""
        if elapsed_ms <= self.first_tick_ms:
            return 0
        return min(self.ticks, math.ceil(math.log2(elapsed_ms / self.first_tick_ms) - 1e-9))

    def tick_ms(self, tick: int) -> int:
        """Milliseconds from the cell's arrival to a tick."""
        return self.first_tick_ms << tick

    def tick_bits(self, tick: int) -> float:
        """Cost of a finish tick: P(t) = 2^-(t+1); the last tick takes the remaining probability."""
        return float(min(tick + 1, self.ticks))

    def verdict_bits(self, outcome: Outcome, tick: int, lines: int) -> float:
        """Cost of a verdict on a cell of ``lines`` lines."""
        bits = -math.log2({Outcome.same: self.same, Outcome.differs: self.differs, Outcome.failed: self.failed}[outcome])
        if outcome is Outcome.failed:
            bits += math.log2(len(FAILURES)) + math.log2(max(1, lines))
        return bits + self.tick_bits(tick)

    def reveal_bits(self, digits: int, tick: int) -> float:
        """Cost of a reveal: its digits, nine bits of sign and exponent, and its tick."""
        return digits * math.log2(10) + 9 + self.tick_bits(tick)

    def verdict_reserve(self, lines: int) -> float:
        """Cost of the dearest verdict on a cell of ``lines`` lines. A verdict leaves only while that much is left."""
        return max(self.verdict_bits(outcome, self.ticks, lines) for outcome in Outcome)

    def reveal_reserve(self, digits: int) -> float:
        """Cost of the dearest reveal of ``digits`` digits."""
        return self.reveal_bits(digits, self.ticks)


def lines_of(source: str) -> int:
    """Number of lines of a cell, at least one. Both ends count with this function."""
    return source.count("\n") + 1


def rounded(value: object, digits: int) -> float | None:
    """A number rounded to ``digits`` significant digits; None for what the code cannot express (NaN, infinity, text, |exponent| > 127)."""
    if isinstance(value, bool):
        return float(value)
    if not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    if not math.isfinite(number):
        return None
    short = float(f"{number:.{digits - 1}e}")
    if short == 0 or not math.isfinite(short):
        return 0.0 if short == 0 else None
    return short if abs(math.floor(math.log10(abs(short)))) <= 127 else None
