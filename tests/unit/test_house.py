"""The house: which package may import which. The direction is the architecture."""

import ast
import re
import sys
import tomllib
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    path.name: path
    for folder in ("kernels", "hub_config", "extensions")
    for path in sorted((ROOT / folder).iterdir())
    if path.is_dir() and path.name.startswith("twinpane")
}
MODULES = {
    ".".join(parts[:-1] if path.name == "__init__.py" else parts): path
    for package in PACKAGES.values()
    for path in package.rglob("*.py")
    for parts in [path.relative_to(package.parent).with_suffix("").parts]
}
"""Every module by its full name; a package goes by the name of its folder."""
MAY_IMPORT: dict[str, set[str]] = {
    "twinpane_ground": set(),
    "twinpane_broker": set(),
    "twinpane_sandbox": set(),
    "twinpane": {"twinpane_broker"},
    "twinpane_wire": {"twinpane_broker"},
    "twinpane_site": {"twinpane_wire", "twinpane_broker", "twinpane_sandbox"},
    "twinpane_review": {"twinpane_site", "twinpane_wire", "twinpane_broker"},
    "twinpane_kernel": {"twinpane", "twinpane_wire", "twinpane_broker", "twinpane_sandbox"},
    "twinpane_hub": {"twinpane_wire", "twinpane_broker", "twinpane_sandbox"},
    "twinpane_cli": {"twinpane_hub", "twinpane_kernel", "twinpane_review", "twinpane_site", "twinpane_sandbox", "twinpane_wire"},
    "twinpane_lab": set(),
}
"""What each package knows of the others, and every one of the ground. The wire carries the broker's published types, so it knows those."""

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


def imported(name: str) -> set[str]:
    """Every module that a module imports, and every name in one, in full; wherever the import stands, relative ones resolved."""
    path = MODULES[name]
    around = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = around[: len(around) - node.level + 1] if node.level else []
            found |= {".".join([*above, *filter(None, [node.module]), alias.name]) for alias in node.names}
    return found


def modules_of(package: str) -> list[str]:
    """The package's modules."""
    return [name for name in MODULES if name.split(".")[0] == package]


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_each_package_imports_only_what_lies_below_it(package: str) -> None:
    """Imports run one way; a package that nobody placed may not exist."""
    allowed = MAY_IMPORT[package] | {package, "twinpane_ground"}
    for name in modules_of(package):
        known = {other.split(".")[0] for other in imported(name)} & PACKAGES.keys()
        assert known <= allowed, f"{name} imports {sorted(known - allowed)}"


def test_the_ground_stands_on_little_that_is_not_pythons_own() -> None:
    """What every process imports stays light; `pyotp` is small, and imported by those alone who ask for codes."""
    foreign = {other.split(".")[0] for name in modules_of("twinpane_ground") for other in imported(name)} - sys.stdlib_module_names
    assert foreign <= {"twinpane_ground", "pydantic", "pyotp", "tomlkit"}


def face() -> dict[str, str]:
    """The broker's public names, each with the module that makes it."""
    made = [node for node in ast.parse((BROKER / "__init__.pyi").read_text()).body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in made for alias in node.names}


def used_of_the_broker(name: str) -> set[str]:
    """What a module imports from the broker."""
    return {other.removeprefix("twinpane_broker.") for other in imported(name) if other.startswith("twinpane_broker.")}


@pytest.mark.parametrize("package", sorted(PACKAGES.keys() - {"twinpane_broker"}))
def test_the_broker_is_used_by_its_public_names_only(package: str) -> None:
    """Outside of the site, by those that cross the glass, or make or read what does."""
    public = face()
    if package not in ("twinpane_site", "twinpane_review", "twinpane_cli"):
        public = {name: module for name, module in public.items() if module.split(".")[0] not in INSIDE}
    for name in modules_of(package):
        used = used_of_the_broker(name)
        assert used <= public.keys(), f"{name} uses {sorted(used - public.keys())}"


def test_every_public_name_is_used_and_there() -> None:
    """The list of public names holds nothing that nobody needs, and nothing that is not made where it says."""
    outside = (name for package in PACKAGES if package != "twinpane_broker" for name in modules_of(package))
    page = (ROOT / "docs" / "broker.md").read_text()
    used = {used for name in outside for used in used_of_the_broker(name)}
    assert face().keys() == used | {name for name in face() if re.search(rf"(?m)^    {name},$", page)}
    for name, module in face().items():
        path = MODULES.get(f"twinpane_broker.{module}")
        assert path is not None, f"there is no {module}"
        assert re.search(rf"\b{name}\b", path.read_text()), f"{module} has no {name}"


def test_each_stage_of_the_broker_knows_only_earlier_ones() -> None:
    """No arrow goes back up, neither in the broker nor in its engine."""
    for inside, order in (("twinpane_broker.", STAGES), ("twinpane_broker.engine.", ENGINE)):
        for name in MODULES:
            if not name.startswith(inside):
                continue
            place = name.removeprefix(inside).split(".")[0]
            assert place in order, f"{name} has no place among the stages"
            known = {other.removeprefix(inside).split(".")[0] for other in imported(name) if other.startswith(inside)} & set(order)
            late = {other for other in known if order.index(other) > order.index(place)}
            assert not late, f"{name} imports {sorted(late)}"


def needs(name: str) -> set[str]:
    """The modules of ours that a module imports. What is imported from a package is one of its modules, or stands in its own file."""
    return {module for each in imported(name) for module in [each if each in MODULES else each.rpartition(".")[0]]} & MODULES.keys() - {
        name
    }


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports in function bodies and under TYPE_CHECKING count: they hide a circle, they do not open it."""
    try:
        TopologicalSorter({name: needs(name) for name in MODULES}).prepare()
    except CycleError as circle:
        pytest.fail(" imports ".join(reversed(circle.args[1])))


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_no_two_modules_of_a_package_share_a_name(package: str) -> None:
    """A module is found by its name alone, whichever folder it is in."""
    names = Counter(path.name for path in PACKAGES[package].rglob("*.py") if path.name not in ("__init__.py", "__main__.py"))
    assert not [name for name, times in names.items() if times > 1]


def test_no_module_is_imported_by_a_text_that_names_it() -> None:
    """Nobody reaches upwards so: what must not know each other is put together by the command line, which stands above all.

    The fork server imports the modules that it is told to fork; they are its user's, so it cannot know them.
    The broker's face loads its own modules, by its own list.
    """
    callers = {name for name, path in MODULES.items() if "import_module" in path.read_text() or "__import__" in path.read_text()}
    assert callers == {"twinpane_broker", "twinpane_site.parts.fork_server"}


def test_no_file_holds_two_ideas() -> None:
    """A module beyond 400 lines hides an idea that wants out."""
    long = {
        str(path.relative_to(ROOT)): n
        for package in PACKAGES.values()
        for path in package.rglob("*.py")
        if (n := path.read_text().count("\n")) > 400
    }
    assert not long


def test_no_waiting_call_stops_at_descriptor_1024() -> None:
    """Nothing waits by a call that fails for descriptors from 1024 on. A server that held so many could start no kernel any more."""
    assert not [path for package in PACKAGES.values() for path in package.rglob("*.py") if "select.select(" in path.read_text()]


def test_make_test_runs_every_file_of_tests() -> None:
    """It runs those side by side that need no processor for themselves, and the others alone."""
    lines = re.findall(r"(?m)^(?:TOGETHER|ALONE|AGAINST) := (.*)$", (ROOT / "Makefile").read_text())
    folders = [ROOT / name for line in lines for name in line.split()]
    tests = list((ROOT / "tests").rglob("test_*.py"))
    assert len(folders) == 7
    assert tests
    assert not [path for path in tests if not any(path.is_relative_to(folder) for folder in folders)]


def test_every_package_ships_its_types_and_has_them_checked() -> None:
    """mypy checks a package strictly, or the configuration says that its turn has not come."""
    mypy = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    not_yet = {
        name.removesuffix(".*") for block in mypy["overrides"] if block.get("ignore_errors") for name in block["module"]
    } & PACKAGES.keys()
    assert set(mypy["packages"]) | not_yet == set(PACKAGES)
    assert not set(mypy["packages"]) & not_yet
    assert all((path / "py.typed").exists() for path in PACKAGES.values())


def test_no_name_of_a_test_is_longer_than_60_characters() -> None:
    """The name of a test says its promise in at most 60 characters; the docstring holds the full sentence."""
    long = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_") and len(node.name) > 60
    ]
    assert not long, "\n".join(long)
