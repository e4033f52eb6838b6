"""The site that is attacked: persons of whom everybody knows who they are and nobody what they have, and a broker on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from twinpane_broker import Broker, Catalogue, Code, Column, DuckEngine, Refusal, Release, Table, build_store, load_rules, parse_sql
from twinpane_broker.memory import InProcessMemory, Memory
from twinpane_broker.rules.policy import PRESETS, Rules

PLACES = tuple(f"p{i}" for i in range(10))
RACES, RACE_SHARES = ("a", "b", "c", "d"), (0.4, 0.3, 0.2, 0.1)
SEXES = ("F", "M")
CODES = {"place": PLACES, "race": RACES, "sex": SEXES}
BORN = (1940, 1990)
"""Fifty years of birth: ranges may cut at each."""
ILL, RARE = 0.6, 0.15
"""Shares of the secrets, which are drawn without a look at what is known."""
LABS = 12
"""Rows of the table of laboratory values, of each person."""


def rules_of(preset: str) -> Rules:
    """The rules of a preset as a steward would write them."""
    if preset == "cell-key":
        return load_rules({"preset": "10-5", "threshold": 10, "noise": "cell_key"})
    if preset == "dp":
        return load_rules({"preset": "10-5", "threshold": 10, "dp": {"epsilon_per_answer": 0.1, "epsilon_total": 1.0}})
    return load_rules({"preset": preset, "threshold": PRESETS[preset]["threshold"], "accept_low_threshold": preset == "omop-5"})


def people(persons: int, seed: int) -> pd.DataFrame:
    """Known are place, race, sex and year of birth; secret are ill, rare, score and weight."""
    rng = np.random.default_rng(seed)
    made = pd.DataFrame(
        {
            "person_id": np.arange(persons),
            "place": rng.choice(PLACES, persons),
            "race": rng.choice(RACES, persons, p=RACE_SHARES),
            "sex": rng.choice(SEXES, persons),
            "born": rng.integers(*BORN, persons),
            "ill": rng.random(persons) < ILL,
            "rare": rng.random(persons) < RARE,
            "score": rng.integers(0, 11, persons),
            "weight": rng.uniform(45, 130, persons).round(1),
        }
    )
    return numbered(made)


def _codes(values: Sequence[Any], shares: Sequence[float] = ()) -> tuple[Code, ...]:
    return tuple(Code(value=v, share=round(s, 2)) for v, s in zip(values, shares or [1 / len(values)] * len(values), strict=True))


def _dimension(name: str, values: Sequence[Any], shares: Sequence[float] = (), *, known: bool = False) -> Column:
    kind = "boolean" if isinstance(values[0], bool) else "varchar"
    return Column(name=name, type=kind, role="dimension", codes=_codes(values, shares), sensitive=not known)


def _key(references: str | None = None) -> Column:
    return Column(name="person_id", type="integer", role="key", references=references)


PERSON = Table(
    name="person",
    person_key="person_id",
    columns=(
        _key(),
        _dimension("place", PLACES, known=True),
        _dimension("race", RACES, RACE_SHARES, known=True),
        _dimension("sex", SEXES, known=True),
        Column(name="born", type="integer", role="measure", bounds=BORN, label="year of birth", sensitive=False),
        _dimension("ill", (True, False), (ILL, 1 - ILL)),
        _dimension("rare", (True, False), (RARE, 1 - RARE)),
        Column(name="score", type="integer", role="measure", bounds=(0, 10)),
        Column(name="weight", type="double", role="measure", bounds=(40, 140), unit="kg"),
    ),
)
VISIT = Table(
    name="visit",
    person_key="person_id",
    columns=(_key("person.person_id"), Column(name="day", type="date", role="date", days=(date(1900, 1, 1), date(2020, 1, 1)))),
)
LAB = Table(
    name="lab",
    person_key="person_id",
    columns=(_key("person.person_id"), Column(name="value", type="double", role="measure", bounds=(0, 20))),
    rows_per_person=(0.0,) * LABS + (1.0,),
)
STAY = Table(
    name="stay",
    person_key="person_id",
    columns=(*VISIT.columns, Column(name="out", type="date", role="date", days=(date(1900, 1, 1), date(2020, 1, 1)))),
)
TABLES = {"person": PERSON, "visit": VISIT, "lab": LAB, "stay": STAY}


class Site:
    """A site's broker, as anybody may ask it. Who asks for so long that a day's cap is reached comes back on the next."""

    def __init__(
        self,
        folder: Path,
        rules: Rules,
        tables: dict[str, pd.DataFrame],
        *,
        snapshot: str = "1",
        memory: Memory | None = None,
        register: Path | None = None,
    ) -> None:
        """``memory`` and ``register``: the site's, of several snapshots."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, frame in tables.items():
            frame[[c for c in frame.columns if not c.endswith("_at")]].to_parquet(folder / f"{name}.parquet")
        known = tuple(TABLES[name] for name in tables)
        self.catalogue = Catalogue(site="north", snapshot=snapshot, persons=len(tables["person"]), tables=known)
        self.rules = rules
        self._engine = DuckEngine(build_store(folder, self.catalogue, register=register))
        self._memory = memory or InProcessMemory()
        self._brokers: dict[str, Broker] = {}
        self.days = 0

    def close(self) -> None:
        """Let go of the files."""
        self._engine.close()

    def ask(self, sql: str, project: str = "one") -> Release | Refusal:
        """The answer to a SELECT, of a project."""
        if project not in self._brokers:
            self._brokers[project] = Broker(
                self.catalogue, self.rules, self._engine, self._memory, project=project, secret=b"s" * 32,
                today=lambda: date(2026, 1, 1) + timedelta(days=self.days),
            )  # fmt: skip
        plan = parse_sql(sql, self.catalogue)
        answer = self._brokers[project].run(plan)
        if isinstance(answer, Refusal) and answer.code == "capped":
            self.days += 1
            answer = self._brokers[project].run(plan)
        return answer


@dataclass(frozen=True)
class Known:
    """A condition on what everybody knows of everybody: one that an attacker can count by himself."""

    places: tuple[str, ...] = ()
    races: tuple[str, ...] = ()
    sexes: tuple[str, ...] = ()
    born: tuple[int, int] | None = None

    def sql(self, table: str = "") -> str:
        """As terms of a WHERE."""
        dot = f"{table}." if table else ""
        terms = [
            f"{dot}{name} in ({', '.join(repr(code) for code in codes)})"
            for name, codes in (("place", self.places), ("race", self.races), ("sex", self.sexes))
            if codes
        ]
        if self.born is not None:
            terms.append(f"{dot}born >= {self.born[0]} and {dot}born < {self.born[1]}")
        return " and ".join(terms) or f"{dot}sex in ('F', 'M')"

    def of(self, person: pd.DataFrame) -> np.ndarray:
        """Who fulfils it, as a mask."""
        mask = np.ones(len(person), dtype=bool)
        for name, codes in (("place", self.places), ("race", self.races), ("sex", self.sexes)):
            if codes:
                mask &= np.isin(person[f"{name}_at"].to_numpy(), [CODES[name].index(code) for code in codes])
        if self.born is not None:
            born = person["born"].to_numpy()
            mask &= (born >= self.born[0]) & (born < self.born[1])
        return mask


def numbered(person: pd.DataFrame) -> pd.DataFrame:
    """Persons, with the places of their codes beside them (``place_at`` and so on): an attacker thinks of very many conditions."""
    return person.assign(**{f"{name}_at": person[name].map({code: at for at, code in enumerate(codes)}) for name, codes in CODES.items()})
