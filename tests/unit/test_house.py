"""The house: which package may import which. The direction is the architecture."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    path.name: path
    for folder in ("kernels", "hub_config", "extensions")
    for path in sorted((ROOT / folder).iterdir())
    if path.is_dir() and path.name.startswith("twinpane")
}
MAY_IMPORT: dict[str, set[str]] = {
    "twinpane_broker": set(),
    "twinpane_sandbox": set(),
    "twinpane": {"twinpane_broker"},
    "twinpane_wire": {"twinpane_broker"},
    "twinpane_site": {"twinpane_wire", "twinpane_broker", "twinpane_sandbox"},
    "twinpane_review": {"twinpane_site", "twinpane_wire", "twinpane_broker"},
    "twinpane_kernel": {"twinpane", "twinpane_wire", "twinpane_broker", "twinpane_sandbox"},
    "twinpane_hub": {"twinpane_wire", "twinpane_broker", "twinpane_sandbox"},
    "twinpane_lab": set(),
}
"""What each package knows of the others. The wire carries the broker's published types, so it knows those."""

BROKER = PACKAGES["twinpane_broker"]
STAGES = (
    "model", "errors", "catalogue", "cells", "rules", "aggregates", "question", "sql", "check", "evidence", "engine", "memory", "release",
    "disclosure", "broker",
)  # fmt: skip
"""The broker's parts: each knows only those before it."""
ENGINE = ("sql", "index", "store", "measure", "duckdb", "postgresql", "spark", "engine")
"""The parts of its engine, in the same way."""
INSIDE = {"cells", "rules", "evidence", "engine", "memory", "disclosure", "broker"}
"""What only a site may use: nothing on the researcher's side can reach an engine, a rule or the memory."""


def modules(path: Path) -> set[str]:
    """Every module, or name in one, that a file imports, in full, wherever the import stands."""
    base = next(path.relative_to(ROOT / folder) for folder in ("kernels", "hub_config", "extensions") if path.is_relative_to(ROOT / folder))
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = list(base.parts[: len(base.parts) - node.level]) if node.level else []
            found |= {".".join([*above, *filter(None, [node.module]), alias.name]) for alias in node.names}
    return found


def imports(path: Path) -> set[tuple[str, str]]:
    """(package, name below it) of every import of a file."""
    return {(name.split(".")[0], name.split(".")[1] if "." in name else "") for name in modules(path)}


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_each_package_imports_only_what_lies_below_it(package: str) -> None:
    """Imports run one way; a package that nobody placed may not exist."""
    allowed = MAY_IMPORT[package] | {package}
    for path in PACKAGES[package].rglob("*.py"):
        known = {name for name, _ in imports(path) if name in PACKAGES}
        assert known <= allowed, f"{path.relative_to(ROOT)} imports {sorted(known - allowed)}"


def face() -> dict[str, str]:
    """The broker's public names, each with the module that makes it."""
    made = [node for node in ast.parse((BROKER / "__init__.pyi").read_text()).body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in made for alias in node.names}


@pytest.mark.parametrize("package", sorted(PACKAGES.keys() - {"twinpane_broker"}))
def test_the_broker_is_used_by_its_public_names_only(package: str) -> None:
    """Outside of the site, by those that cross the glass, or make or read what does."""
    public = face()
    if not package.startswith(("twinpane_site", "twinpane_review")):
        public = {name: module for name, module in public.items() if module.split(".")[0] not in INSIDE}
    for path in PACKAGES[package].rglob("*.py"):
        used = {name for broker, name in imports(path) if broker == "twinpane_broker"}
        assert used <= set(public) | {""}, f"{path.relative_to(ROOT)} uses {sorted(used - set(public))}"


def test_every_public_name_is_used_and_there() -> None:
    """The list of public names holds nothing that nobody needs, and nothing that is not made where it says."""
    used = {name for package in PACKAGES if package != "twinpane_broker" for path in PACKAGES[package].rglob("*.py")
            for broker, name in imports(path) if broker == "twinpane_broker"}  # fmt: skip
    assert set(face()) == used - {""}
    for name, module in face().items():
        parts = module.split(".")
        file = BROKER.joinpath(*parts).with_suffix(".py")
        source = (file if file.is_file() else BROKER.joinpath(*parts, "__init__.py")).read_text()
        assert re.search(rf"\b{name}\b", source), f"{module} has no {name}"


def test_each_stage_of_the_broker_knows_only_earlier_ones() -> None:
    """No arrow goes back up, neither in the broker nor in its engine."""
    for folder, order in ((BROKER, STAGES), (BROKER / "engine", ENGINE)):
        for path in folder.rglob("*.py"):
            if (place := path.relative_to(folder).parts[0].removesuffix(".py")) == "__init__":
                continue
            inside = f"{'.'.join(folder.relative_to(ROOT / 'kernels').parts)}."
            assert place in order, f"{place} has no place among the stages"
            known = {name.removeprefix(inside).split(".")[0] for name in modules(path) if name.startswith(inside)}
            late = {name for name in known & set(order) if order.index(name) > order.index(place)}
            assert not late, f"{path.relative_to(ROOT)} imports {sorted(late)}"


def test_no_file_holds_two_ideas() -> None:
    """A module beyond 400 lines hides an idea that wants out."""
    long = {
        str(path.relative_to(ROOT)): n
        for package in PACKAGES.values()
        for path in package.rglob("*.py")
        if (n := path.read_text().count("\n")) > 400
    }
    assert not long


def test_nothing_waits_by_a_call_that_knows_no_descriptor_from_1024_on() -> None:
    """Where a server held so many, its kernels could not start any more."""
    assert not [path for package in PACKAGES.values() for path in package.rglob("*.py") if "select.select(" in path.read_text()]


def test_make_test_runs_every_file_of_tests() -> None:
    """It runs those side by side that need no processor for themselves, and the others alone."""
    lines = re.findall(r"(?m)^(?:TOGETHER|ALONE) := (.*)$", (ROOT / "Makefile").read_text())
    folders = [ROOT / name for line in lines for name in line.split()]
    tests = list((ROOT / "tests").rglob("test_*.py"))
    assert len(folders) == 7
    assert tests
    assert not [path for path in tests if not any(path.is_relative_to(folder) for folder in folders)]
