"""Cells against plain ipykernel: round trip, start, streams. Plain and pane take turns, the first of each turn changes."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

from .figures import Goal, Line, paired
from .kernels import Kernel, Starter

ROUND_TRIP, START, STREAM = Goal(1.1), Goal(1.4), Goal(0.9, "at least")
Turn = Callable[[], AbstractContextManager[None]]
"""What is done around each pair: let the sites finish before it, have them stand still meanwhile."""
LINES = "for i in range({n}): print('line', i, 'of a cell that prints')"
BLOCK = "print('x' * {n})"
CHATTER = "import sys\nfor i in range({n}):\n    print(i); sys.stdout.flush()"


def turns(count: int, plain: Callable[[], float], ours: Callable[[], float]) -> list[tuple[float, float]]:
    """(plain, ours) pairs, measured side by side."""
    pairs = []
    for turn in range(count):
        if turn % 2:
            second = ours()
            pairs.append((plain(), second))
        else:
            pairs.append((plain(), ours()))
    return pairs


def _milliseconds(kernel: Kernel) -> float:
    return kernel.run("pass").done * 1000


def round_trips(plain: Kernel, ours: Kernel, name: str, count: int, turn: Turn = nullcontext, note: str = "") -> Line:
    """Round trips of ``pass``: request sent until reply and idle are here."""
    for _ in range(max(5, count // 10)):
        _milliseconds(plain), _milliseconds(ours)
    pairs = []
    for number in range(count):
        order = (plain, ours) if number % 2 else (ours, plain)
        with turn():
            took = {id(kernel): _milliseconds(kernel) for kernel in order}
        pairs.append((took[id(plain)], took[id(ours)]))
    return paired(name, "ms", pairs, ROUND_TRIP, note)


def starts(
    starter: Starter, name: str, count: int, sites: Mapping[str, str] | None = None, turn: Turn = nullcontext, note: str = ""
) -> Line:
    """From the start of the process until a first cell has run."""

    def timed(start: Callable[[], Kernel]) -> float:
        with turn():
            kernel = start()
            try:
                took = kernel.first_cell()
            except BaseException:
                kernel.close()
                raise
        kernel.close()
        return took

    def plain() -> float:
        return timed(starter.plain)

    def ours() -> float:
        return timed(lambda: starter.pane(sites))

    plain(), ours()  # caches: byte code, the twin
    return paired(name, "s", turns(count, plain, ours), START, note)


def streams(plain: Kernel, ours: Kernel, count: int, size: int, turn: Turn = nullcontext, where: str = "") -> list[Line]:
    """Characters a second from the request until idle: many lines, one big text, and lines flushed one by one."""
    lines = []
    for name, code, n in (
        ("many printed lines", LINES, size // 40), ("one printed text", BLOCK, size * 10),
        ("lines flushed one by one", CHATTER, size // 1000),
    ):  # fmt: skip
        source = code.format(n=n)

        def rate(kernel: Kernel, source: str = source) -> float:
            ran = kernel.run(source)
            return ran.printed / ran.idle / 1e6

        rate(plain), rate(ours)
        pairs = []
        for number in range(count):
            order = (plain, ours) if number % 2 else (ours, plain)
            with turn():
                rates = {id(kernel): rate(kernel) for kernel in order}
            pairs.append((rates[id(plain)], rates[id(ours)]))
        lines.append(paired(f"stream: {name}{where}", "MB/s", pairs, STREAM))
    return lines
