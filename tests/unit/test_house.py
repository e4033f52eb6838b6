"""The house: which package may import which. The direction is the architecture."""

import ast
import re
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

PUBLISHED = {
    "arrange", "catalogue", "circe", "closed", "cohort", "edges", "errors", "hints", "narrowed", "plan", "pooling", "predicates", "release",
    "sql",
}  # fmt: skip
"""The broker's modules that others than the site may use: types that cross the glass, and what makes or reads them."""

RENAMING = {"twinpane_broker", "twinpane_hub"}


def imports(path: Path) -> set[tuple[str, str]]:
    """(package, module below it) of every import of a file, wherever it stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [f"{node.module}.{alias.name}" if "." not in node.module else node.module for alias in node.names]
        found |= {(name.split(".")[0], name.split(".")[1] if "." in name else "") for name in names}
    return found


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_each_package_imports_only_what_lies_below_it(package: str) -> None:
    """Imports run one way; a package that nobody placed may not exist."""
    allowed = MAY_IMPORT[package] | {package}
    for path in PACKAGES[package].rglob("*.py"):
        known = {name for name, _ in imports(path) if name in PACKAGES}
        assert known <= allowed, f"{path.relative_to(ROOT)} imports {sorted(known - allowed)}"


@pytest.mark.parametrize("package", ["twinpane", "twinpane_wire", "twinpane_kernel", "twinpane_hub"])
def test_outside_the_site_only_the_brokers_published_types_are_used(package: str) -> None:
    """Nothing on the researcher's side can reach an engine or a rule."""
    for path in PACKAGES[package].rglob("*.py"):
        used = {module for name, module in imports(path) if name == "twinpane_broker"}
        assert used <= PUBLISHED | {"catalogue"}, f"{path.relative_to(ROOT)} uses {sorted(used - PUBLISHED)}"


def modules() -> dict[str, Path]:
    """Every module of ours by its full name; a package goes by the name of its folder."""
    found = {}
    for package in PACKAGES.values():
        for path in package.rglob("*.py"):
            parts = path.relative_to(package.parent).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def needs(name: str, known: dict[str, Path]) -> set[str]:
    """The modules of ours that a module imports, wherever the import stands; relative ones are resolved."""
    around = name.split(".") if known[name].name == "__init__.py" else name.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(known[name].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*around[: len(around) - node.level + 1 if node.level else 0], *([node.module] if node.module else [])])
            # What is imported from a package is a module of it, or else stands in the package's own file.
            found |= {below if (below := f"{base}.{alias.name}") in known else base for alias in node.names}
    return found & known.keys() - {name}


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports in function bodies and under TYPE_CHECKING count: they hide a circle, they do not open it."""
    known = modules()
    try:
        TopologicalSorter({name: needs(name, known) for name in known}).prepare()
    except CycleError as circle:
        pytest.fail(" imports ".join(reversed(circle.args[1])))


@pytest.mark.parametrize(
    "package",
    [pytest.param(name, marks=pytest.mark.xfail(strict=False) if name in RENAMING else ()) for name in sorted(PACKAGES)],
)
def test_no_two_modules_of_a_package_share_a_name(package: str) -> None:
    """A module is found by its name alone, whichever folder it is in."""
    names = Counter(path.name for path in PACKAGES[package].rglob("*.py") if path.name not in ("__init__.py", "__main__.py"))
    assert not [name for name, times in names.items() if times > 1]


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
