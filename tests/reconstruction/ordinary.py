"""Whether ordinary questions are still answered: five hundred in the mix of ``tests.questions``, asked by one project, one after the other.

A broker that stops every attack by refusing is no broker. Each question is one of that list, about some other condition, drug, measurement
or span of years.
"""

import string
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from questions.clinical import FILE
from twinpane_broker import Broker, Catalogue, DuckEngine, Plan, Refusal, Refused, build_store, parse_sql
from twinpane_broker.check.resolve import check
from twinpane_broker.memory import InProcessMemory
from twinpane_hub.data.make import make_data
from twinpane_site.draft import draft_catalogue

from .attacker import looked_at
from .site import rules_of

QUESTIONS = 500
CELLS = 20
"""A question's table has at most so many."""
CHOICES = {
    "c": "condition_occurrence.condition_concept_id",
    "d": "drug_exposure.drug_concept_id",
    "m": "measurement.measurement_concept_id",
}
"""Where the codes come from that {c1}, {d1} and {m1} stand for."""


@dataclass(frozen=True)
class Ordinary:
    """What became of the questions under a preset."""

    preset: str
    persons: int
    asked: int
    answered: int
    """With at least one number."""
    full: int
    """With every number of a cell that somebody would be told of were nothing else asked."""
    approximate: int
    withheld: int
    days: int
    """On which the cap on withheld answers was reached."""
    others: dict[str, int]
    """Other refusals, by code."""

    def __str__(self) -> str:
        more = "".join(f", {count} {code}" for code, count in sorted(self.others.items()))
        return (
            f"{self.preset}, {self.persons:,} persons: {self.answered} of {self.asked} ordinary questions answered, {self.full} of them "
            f"as if nothing else had been asked, {self.approximate} with ≈; {self.withheld} withheld on {self.days + 1} days{more}"
        )

    def as_json(self) -> dict[str, Any]:
        """As a row of a file."""
        return asdict(self)


def ordinary(folder: Path, preset: str, persons: int = 3_000, questions: int = QUESTIONS, seed: int = 1) -> Ordinary:
    """Ask them under a preset; the memory is one for all, and a second broker that remembers nothing says what the memory cost."""
    rules, data = rules_of(preset), folder / f"data-{preset}-{persons}"
    make_data(data, persons, seed)
    catalogue = draft_catalogue(data, "person_id", "north", "north", rules, "2026-10").catalogue
    engine = DuckEngine(build_store(data, catalogue, folder / f"{preset}-{persons}.duckdb"))
    days, tally, others = [0], Counter(), Counter()
    broker = Broker(
        catalogue, rules, engine, InProcessMemory(), secret=b"s" * 32, today=lambda: date(2026, 1, 1) + timedelta(days=days[0])
    )  # fmt: skip
    for plan in drawn(catalogue, questions, seed):
        answer = broker.run(plan)
        if isinstance(answer, Refusal) and answer.code == "capped":
            days[0] += 1
            answer = broker.run(plan)
        seen = looked_at(answer)
        alone = looked_at(Broker(catalogue, rules, engine, InProcessMemory(), secret=b"s" * 32).run(plan))
        tally["asked"] += 1
        tally["answered"] += seen.shown
        tally["full"] += seen.shown and all(
            value is not None or alone.cells.get(key, ())[place : place + 1] in ((), (None,))
            for key, values in seen.cells.items() for place, value in enumerate(values)
        )  # fmt: skip
        tally["approximate"] += seen.marked
        tally["withheld"] += seen.code == "withheld"
        if seen.code not in ("released", "withheld"):
            others[seen.code] += 1
    engine.close()
    told = {name: tally[name] for name in ("asked", "answered", "full", "approximate", "withheld")}
    return Ordinary(preset=preset, persons=persons, days=days[0], others=dict(others), **told)


def drawn(catalogue: Catalogue, count: int, seed: int) -> Iterator[Plan]:
    """Different questions of at most ``CELLS`` cells, at random."""
    raw, random = tomllib.loads(FILE.read_text()), np.random.default_rng(seed)
    fixed, texts = raw["names"]["generated"], [e["sql"] for e in raw["question"] if e.get("of", "generated") == "generated"]
    codes = {letter: _codes(catalogue, where) for letter, where in CHOICES.items()}
    swapped = {code: letter for letter, known in codes.items() for code in known}
    seen: set[str] = set()
    for _ in range(200 * count):
        if len(seen) == count:
            return
        names = {name: _chosen(name, text, codes, random) for name, text in fixed.items()}
        names["since"] = f"{random.integers(2016, 2022)}-{random.integers(1, 13):02}-01"
        names["until"] = f"{random.integers(2023, 2027)}-01-01"
        names["female"] = str(random.choice(["'female'", "'male'"]))
        text = str(random.choice(texts))
        text = text.format_map(names) if any(name for _, name, _, _ in string.Formatter().parse(text)) else text
        text = _other_codes(text, swapped, codes, random)
        try:
            plan = parse_sql(text, catalogue)
            bound = check(plan, catalogue)
        except Refused:
            continue  # a code that is too rare here, or a name that the draft did not list
        if len(bound.cells) <= CELLS and plan.question.hash not in seen:
            seen.add(plan.question.hash)
            yield plan


Codes = dict[str, float]
"""Codes with their shares: what is common is asked about most."""


def _codes(catalogue: Catalogue, where: str) -> Codes:
    table, column = where.split(".")
    known = catalogue.table(table)
    listed = known.column(column) if known else None
    return {str(code.value): code.share + 0.001 for code in listed.codes} if listed else {}


def _one_of(known: Codes, random: np.random.Generator) -> str:
    shares = np.array(list(known.values()))
    return str(random.choice(list(known), p=shares / shares.sum()))


def _chosen(name: str, text: str, codes: dict[str, Codes], random: np.random.Generator) -> str:
    known = codes.get(name[0]) if name[1:].isdigit() else None
    return _one_of(known, random) if known else text


def _other_codes(text: str, swapped: dict[str, str], codes: dict[str, Codes], random: np.random.Generator) -> str:
    """A question that names a code by itself asks about some other code of its kind."""
    words = text.split(" ")
    return " ".join(_one_of(codes[swapped[word]], random) if word in swapped else word for word in words)
