"""Programs drawn from the grammar: every kind once (``cover``), or leaks at random (``draw``). The same seed gives the same program."""

from dataclasses import dataclass, replace
from random import Random
from string import Template

from .asked import ASKED
from .attacks import ATTACKS, LAST
from .kept import KEPT
from .modifiers import MODIFIERS, together
from .payloads import ENCODINGS, PAYLOADS, expression
from .said import SAID
from .steps import Ask, Cell, Program, Step

NUMBERED: dict[int, tuple[object, ...]] = {**SAID, **ASKED, **KEPT}
"""The 53 kinds of the catalogue of leaks, by number."""
RULES: dict[str, tuple[object, ...]] = {**{str(number): ways for number, ways in NUMBERED.items()}, **ATTACKS}
"""Every kind, by the name it is reported under."""

ALONE = 0.5
"""How often a carrier runs at once, without a modifier."""
PAIRS = 0.25
"""How often, in a drawn program, two carriers share a cell."""
SLOW = {"by an interrupt", "in a child"}
"""Modifiers that take a second: drawn less often."""


@dataclass(frozen=True)
class Leak:
    """One attempt: its kinds, how it was put together, its steps."""

    kinds: tuple[str, ...]
    how: str
    steps: tuple[Step, ...]


def cover(seed: int) -> tuple[Leak, ...]:
    """Every kind once, then one of the ends. The seed decides order, ways, writings and moments."""
    rng = Random(seed)
    kinds = list(RULES)
    rng.shuffle(kinds)
    return (*(_leak(rng, (kind,), number) for number, kind in enumerate(kinds)), _end(rng, len(kinds)))


def draw(seed: int, count: int) -> tuple[Leak, ...]:
    """That many random leaks, some two at a time; then one of the ends."""
    rng = Random(seed)
    found = []
    for number in range(count):
        pair = rng.random() < PAIRS
        found.append(_leak(rng, tuple(rng.sample(sorted(RULES), 2 if pair else 1)), number))
    return (*found, _end(rng, count))


def program(leaks: tuple[Leak, ...]) -> Program:
    """The steps of all leaks, in order."""
    return tuple(step for leak in leaks for step in leak.steps)


def signals(count: int) -> Program:
    """Fast cells that each try to signal one bit: by failing, by output, by time, and one that does not."""
    ways = ["1/0 if bits[{i}] else 0", "print(bits[{i}])", "time.sleep(0.12 * bits[{i}])", "x = bits[{i}]"]
    return tuple(Cell(ways[i % len(ways)].format(i=i % 256)) for i in range(count))


def _leak(rng: Random, kinds: tuple[str, ...], number: int) -> Leak:
    name = f"k{number}"
    ways = [_written(rng, rng.choice(RULES[kind]), name) for kind in kinds]
    plain = [steps[0].source for steps in ways if len(steps) == 1 and steps[0] == Cell(getattr(steps[0], "source", ""))]
    if len(plain) < len(ways):  # prompts, requests and interrupts belong to their cells
        return Leak(kinds, "at once", tuple(step for steps in ways for step in steps))
    source = plain[0] if len(plain) == 1 else together(*plain)
    how = "at once" if rng.random() < ALONE else rng.choice(sorted(MODIFIERS))
    if how in SLOW and rng.random() < 0.5:
        how = "later"
    return Leak(kinds, how, MODIFIERS[how](source, name))


def _end(rng: Random, number: int) -> Leak:
    kind = rng.choice(sorted(LAST))
    return Leak((kind,), "at the end", _written(rng, rng.choice(LAST[kind]), f"k{number}"))


def _written(rng: Random, way: object, name: str) -> tuple[Step, ...]:
    """A way with its text, bits and name filled in, as steps."""
    parts = way if isinstance(way, tuple) else (way,)
    text = expression(rng.choice(sorted(PAYLOADS)), rng.choice(sorted(ENCODINGS)))
    words = {"E": f"({text})", "K": name, **{letter: f"bits[{rng.randrange(256)}]" for letter in "ABCD"}}

    def written(part: object) -> Step:
        match part:
            case str():
                return Cell(Template(part).substitute(words))
            case Cell():
                return Cell(Template(part.source).substitute(words), part.answer, part.interrupt, part.silent)
            case Ask():
                content = {key: Template(value).substitute(words) if key == "code" else value for key, value in part.content.items()}
                return replace(part, content=content)
        raise TypeError(f"{part!r} is no step")

    return tuple(written(part) for part in parts)
