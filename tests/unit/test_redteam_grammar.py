"""The grammar of leaks: complete, the same for the same seed, and valid Python."""

import ast

import pytest

from redteam.grammar.attacks import ATTACKS, LAST
from redteam.grammar.generate import NUMBERED, RULES, cover, draw, program, signals
from redteam.grammar.modifiers import MODIFIERS
from redteam.grammar.steps import SETUP, Cell


def sources(steps) -> list[str]:
    return [step.source for step in steps if isinstance(step, Cell)]


def test_each_of_the_53_kinds_is_a_rule() -> None:
    """The catalogue of leaks is the grammar's table, by number."""
    assert sorted(NUMBERED) == list(range(1, 54))
    assert all(NUMBERED.values())


@pytest.mark.parametrize("seed", range(5))
def test_covering_tries_every_kind(seed: int) -> None:
    """Once each, and one end of the kernel."""
    kinds = [kind for leak in cover(seed) for kind in leak.kinds]
    assert sorted(kinds[:-1]) == sorted(RULES)
    assert kinds[-1] in LAST


def test_a_seed_gives_one_program() -> None:
    """And another seed another."""
    assert cover(3) == cover(3)
    assert draw(3, 30) == draw(3, 30)
    assert draw(3, 30) != draw(4, 30)


def test_many_draws_use_every_kind_and_every_modifier() -> None:
    """Nothing in the grammar is out of reach."""
    leaks = [leak for seed in range(40) for leak in draw(seed, 40)]
    assert {kind for leak in leaks for kind in leak.kinds} == set(RULES) | set(LAST)
    assert {leak.how for leak in leaks} == {*MODIFIERS, "at the end"}
    assert any(len(leak.kinds) == 2 for leak in leaks)
    assert set(ATTACKS) < set(RULES)


@pytest.mark.parametrize("seed", range(20))
def test_programs_are_python(seed: int) -> None:
    """Every cell compiles, as IPython would run it."""
    for source in [SETUP.substitute(twin="x"), *sources(program(cover(seed))), *sources(program(draw(seed, 60))), *sources(signals(8))]:
        compile(source, "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
