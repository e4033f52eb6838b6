"""Three hospitals that answer any plan with made-up numbers: what a notebook's calls meet, without a broker."""

import math
from itertools import product
from typing import Any

from twinpane_broker.aggregates.value import Value
from twinpane_broker.catalogue.catalogue import Catalogue, Code, Column, Table
from twinpane_broker.question.category import Category
from twinpane_broker.question.plan import Group, Plan
from twinpane_broker.release.applied_rules import AppliedRule
from twinpane_broker.release.release import Release, ReleasedColumn, Row

SIZES = {"metro": 3.0, "valley": 1.0, "coast": 0.3}
TITLES = [["metro", "Metro General Hospital"], ["valley", "Valley Clinic"], ["coast", "Coast Medical Center"]]
RULES = (AppliedRule(code="threshold", numbers={"persons": 10}), AppliedRule(code="rounding", numbers={"base": 5}))
SEXES = (Category(value="F", label="female"), Category(value="M", label="male"), Category(kind="missing"))


def catalogue(site: str) -> Catalogue:
    """What a site publishes: the coast's ages are less complete, and its bounds of weight differ."""
    sexes = tuple(Code(value=c.value, label=c.label, share=0.49) for c in SEXES if c.value)
    labs = (Code(value=3016723, label="Creatinine serum/plasma", share=0.6), Code(value=3004501, label="Glucose", share=0.3))
    person = (
        Column(name="person_id", type="integer", role="key"),
        Column(name="sex", type="varchar", role="dimension", codes=sexes, missing=0.02),
        Column(name="age", type="integer", role="measure", bounds=(0, 100), unit="years", label="age at entry",
               knots=(22, 35, 52, 65, 80), missing=0.2 if site == "coast" else 0.01),
        Column(name="weight", type="double", role="measure", bounds=(0, 300 if site == "coast" else 200), unit="kg"),
        Column(name="birth", type="date", role="date", days=("1940-01-01", "2000-01-01")),
        Column(name="note", type="varchar", role="text", label="discharge letter"),
        Column(name="mrn", type="varchar", role="hidden"),
    )  # fmt: skip
    lab = (Column(name="person_id", type="integer", role="key"), Column(name="concept", type="integer", role="dimension", codes=labs))
    tables = (Table(name="person", person_key="person_id", columns=person), Table(name="lab", person_key="person_id", columns=lab))
    return Catalogue(site=site, title=dict(TITLES)[site], snapshot="2026-10", persons=1000, tables=tables)


def answer(kind: str, **args: Any) -> dict[str, Any]:
    """The host's reply to ``catalogue`` and ``query``."""
    if kind == "catalogue":
        return {"sites": {site: catalogue(site).model_dump(mode="json") for site in SIZES}}
    plan = Plan.model_validate(args["plan"])
    sites = {site: release(site, plan).model_dump(mode="json") for site in SIZES}
    return {"sites": sites, "missing": {"hill": "offline"}, "titles": [*TITLES, ["hill", "Hill Hospital"]]}


def release(site: str, plan: Plan) -> Release:
    """Numbers that depend on site and cell alone; cells of fewer than 10 are suppressed."""
    axes = [_categories(group, plan.margins) for group in plan.group_by]
    rows = []
    for key in product(*axes):
        n = 600 * SIZES[site]
        for category, group in zip(key, plan.group_by, strict=True):
            n *= _part(category, group)
        n = int(n / 5) * 5
        values = tuple(Value() if n < 10 else _value(measure, n, SIZES[site]) for measure in plan.measures)
        rows.append(Row(key=key, persons=n if n >= 10 else None, values=values))
    parts = zip(plan.names, (*plan.group_by, *plan.measures), strict=True)
    columns = tuple(ReleasedColumn(name=name, **_meaning(part)) for name, part in parts)
    return Release(
        id=(site.encode().hex() * 8)[:32], site=site, plan_hash=plan.hash, snapshot="2026-10", policy="10-5/ab12", rules=RULES,
        persons=int(600 * SIZES[site]), columns=columns, rows=tuple(rows),
    )  # fmt: skip


def _categories(group: Group, margins: bool) -> tuple[Category, ...]:
    if group.width:
        width = int(group.width)
        found = tuple(Category(value=i, label=f"{i}–{i + width - 1}") for i in range(0, 100, width)) + SEXES[2:]
    elif group.bin:
        found = tuple(Category(value=str(year)) for year in range(2018, 2022))
    else:
        found = SEXES
    return (*found, Category(kind="total")) if margins else found


def _part(category: Category, group: Group) -> float:
    if category.kind == "total":
        return 1.0
    if category.kind == "missing":
        return 0.02
    return math.exp(-(((category.value - 52) / 22) ** 2)) / 4 if group.width else 0.4


def _value(measure: Any, n: int, size: float) -> Value:
    match str(measure.kind):
        case "count" | "persons":
            return Value(value=n)
        case "share":
            return Value(value=round(100 * n / (600 * size), 1), n=n, of=int(600 * size))
        case "quantile":
            return Value(value=50 + (measure.percent - 50) // 2, n=n) if n > 60 or measure.percent == 50 else Value()
        case "correlation":
            return Value(value=round(0.9 - size / 4, 2), n=n)
        case "sum":
            return Value(value=float(f"{52 * n:.3g}"), n=n)
        case "sd" | "var":
            return Value(value=10.0, n=n)
        case _:
            return Value(value=50.0 + size, n=n)


def _meaning(part: Any) -> dict[str, str]:
    if isinstance(part, Group):
        return {"kind": "dimension", "unit": "years" if part.width else "", "label": "age at entry" if part.width else ""}
    if part.column is None or part.kind in ("persons", "share"):
        return {"kind": str(part.kind)}
    return {"kind": str(part.kind), "label": "age at entry", "unit": "" if part.other else "years"}
