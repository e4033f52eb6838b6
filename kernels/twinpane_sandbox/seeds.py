"""Make both runs draw the same random numbers: seed ``random``, ``numpy.random`` and ``uuid``.

Seeded: the module ``random`` and every ``random.Random()`` made without a seed (``tempfile`` names come from one); ``numpy.random``'s
global state and every generator made without a seed (``default_rng()``, ``RandomState()``), as soon as numpy is imported, and numpy is
not imported for it; ``uuid.uuid4`` and its kin that draw numbers. Left alone: ``os.urandom``, ``secrets``, ``random.SystemRandom``:
code that asks for unpredictable numbers gets them, and its outputs differ between the runs.

After a fork the child goes on with a seed of its own, made from the parent's and the number of the fork: two workers do not draw the
same numbers, yet draw the same in both runs.
"""

import hashlib
import os
import random
import sys
import uuid
from collections.abc import Callable, Sequence
from importlib import util
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NamedTuple

_system_seed = random.Random.seed


class State(NamedTuple):
    """The state of every random generator of a process."""

    draws: dict[str, int]
    uuids: tuple[Any, ...]
    of_random: tuple[Any, ...]
    of_numpy: dict[str, Any] | tuple[Any, ...] | None
    """None where numpy is not imported."""


class Source:
    """The one place that seeds come from: numbers derived from the seed, by name and by count."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.forks = 0
        self.draws: dict[str, int] = {}
        self.uuids = random.Random()  # noqa: S311

    def number(self, purpose: str, bits: int) -> int:
        """The next number for that purpose, of at most 256 bits."""
        count = self.draws[purpose] = self.draws.get(purpose, -1) + 1
        digest = hashlib.sha256(f"{self.seed}:{purpose}:{count}".encode()).digest()
        return int.from_bytes(digest) >> (256 - bits)

    def restart(self, seed: int) -> None:
        """Begin again with that seed, in every generator there is."""
        self.seed = seed
        self.forks = 0
        self.draws.clear()
        _system_seed(self.uuids, self.number("uuid", 128))
        random.seed(self.number("random", 128))
        if "numpy.random" in sys.modules:
            seed_numpy(sys.modules["numpy.random"], self)

    def state(self) -> State:
        """The state of every generator, for ``resume``."""
        numpy = sys.modules.get("numpy.random")
        return State(dict(self.draws), self.uuids.getstate(), random.getstate(), numpy.get_state() if numpy else None)

    def resume(self, state: State) -> None:
        """Put every generator back into that state, as if nothing had been drawn since."""
        self.draws = dict(state.draws)
        self.uuids.setstate(state.uuids)
        random.setstate(state.of_random)
        if state.of_numpy:
            sys.modules["numpy.random"].set_state(state.of_numpy)
        elif "numpy.random" in sys.modules:  # imported since: seed it as if it were imported now
            seed_numpy(sys.modules["numpy.random"], self)

    def uuid(self, version: int) -> uuid.UUID:
        """A random UUID of that version."""
        return uuid.UUID(bytes=self.uuids.randbytes(16), version=version)


def plant(seed: int) -> Source:
    """Make this process draw the same numbers as any other that planted the same seed."""
    source = Source(seed)

    def reseed(self: random.Random, a: int | float | str | bytes | bytearray | None = None, version: int = 2) -> None:
        _system_seed(self, source.number("Random", 128) if a is None else a, version)

    random.Random.seed = reseed  # type: ignore[method-assign]  # every generator made without a seed calls this
    random.seed = random._inst.seed
    plant_uuids(source)
    source.restart(seed)
    if "numpy.random" not in sys.modules:
        after_import("numpy.random", lambda module: seed_numpy(module, source))

    def before() -> None:
        source.forks += 1

    os.register_at_fork(before=before, after_in_child=lambda: source.restart(source.number(f"fork {source.forks}", 128)))
    return source


def plant_uuids(source: Source) -> None:
    """Replace the functions of ``uuid`` that draw numbers or read the clock. Calls that name node or clock keep their meaning."""
    original = uuid.uuid1

    def uuid1(node: int | None = None, clock_seq: int | None = None) -> uuid.UUID:
        return source.uuid(1) if node is None and clock_seq is None else original(node, clock_seq)

    uuid1.__doc__ = original.__doc__
    uuid.uuid1 = uuid1
    for name, version in (("uuid4", 4), ("uuid6", 6), ("uuid7", 7)):
        if hasattr(uuid, name):
            setattr(uuid, name, _drawn(source, version, name))


def _drawn(source: Source, version: int, name: str) -> Callable[..., uuid.UUID]:
    def draw(*_args: Any, **_kwargs: Any) -> uuid.UUID:
        """Generate a UUID: the same in both runs."""
        return source.uuid(version)

    draw.__name__ = name
    return draw


def seed_numpy(module: ModuleType, source: Source) -> None:
    """Seed numpy's global state, and what its generators use when they are given no seed."""
    module.seed(source.number("numpy", 32))
    # SeedSequence(None) asks ``secrets.randbits`` under this name of its own module.
    module.bit_generator.randbits = lambda bits: (
        sum(source.number("numpy entropy", 32) << shift for shift in range(0, bits, 32)) & ((1 << bits) - 1)
    )


def after_import(name: str, act: Callable[[ModuleType], None]) -> None:
    """Call ``act`` with the module of that name once it has been imported, if it ever is."""
    sys.meta_path.insert(0, _AfterImport(name, act))


class _AfterImport(MetaPathFinder):
    def __init__(self, name: str, act: Callable[[ModuleType], None]) -> None:
        self.name = name
        self.act = act

    def find_spec(self, fullname: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None) -> ModuleSpec | None:
        """The spec that the other finders have, whose loader calls ``act`` when it is done."""
        if fullname != self.name:
            return None
        sys.meta_path.remove(self)
        spec = util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return spec
        loader: Any = spec.loader  # whose method is replaced
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            loader.exec_module = execute
            execute(module)
            self.act(module)

        loader.exec_module = exec_module
        return spec
