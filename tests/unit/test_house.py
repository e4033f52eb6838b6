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

PUBLISHED = {
    "arrange", "catalogue", "circe", "closed", "cohort", "edges", "errors", "hints", "narrowed", "plan", "pooling", "predicates", "release",
    "sql",
}  # fmt: skip
"""The broker's modules that others than the site may use: types that cross the glass, and what makes or reads them."""


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
    lines = re.findall(r"(?m)^(?:TOGETHER|ALONE|AGAINST) := (.*)$", (ROOT / "Makefile").read_text())
    folders = [ROOT / name for line in lines for name in line.split()]
    tests = list((ROOT / "tests").rglob("test_*.py"))
    assert len(folders) == 7
    assert tests
    assert not [path for path in tests if not any(path.is_relative_to(folder) for folder in folders)]
