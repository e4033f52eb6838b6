"""The wheel with each of its extras: a hospital installs no JupyterHub, a hub no engine of a site, the broker alone neither."""

import os
import subprocess
import sys
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]
HOLDS = {
    "broker": ({"twinpane_broker", "twinpane_ground"}, {"jupyterhub", "jupyterlab", "ipykernel", "zmq", "fastapi", "pandas", "websockets"}),
    "site": (
        {"twinpane", "twinpane_broker", "twinpane_ground", "twinpane_review", "twinpane_sandbox", "twinpane_site", "twinpane_wire"},
        {"jupyterhub", "oauthenticator", "jupyterlab", "jupyter_server"},
    ),
    "hub": (
        {"twinpane", "twinpane_ground", "twinpane_hub", "twinpane_kernel", "twinpane_sandbox", "twinpane_wire"},
        {"pyroaring", "fastapi"},
    ),
}
"""By extra: the packages that must be importable, module by module, and what must not be there."""
OTHER_EXTRAS = ("twinpane_broker.engine.postgresql", "twinpane_broker.engine.spark")
"""What needs an extra of its own."""
IMPORT = """
import importlib, pkgutil, sys
for package in {packages!r}:
    for module in pkgutil.walk_packages([importlib.import_module(package).__path__[0]], package + "."):
        if not module.name.startswith({other!r}) and not module.name.endswith(("__main__", "jupyter_server_config")):
            importlib.import_module(module.name)
there = [name for name in {absent!r} if importlib.util.find_spec(name)]
assert not there, there
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("twinpane-*.whl"))


def needed(extra: str, wheel: Path) -> set[str]:
    """The distributions that ``twinpane[extra]`` brings, by what the wheel and the installed ones say of themselves."""
    with zipfile.ZipFile(wheel) as archive:
        said = archive.read(next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))).decode()
    ours = [line.removeprefix("Requires-Dist: ") for line in said.splitlines() if line.startswith("Requires-Dist: ")]
    found: set[tuple[str, str]] = set()
    waiting = [("twinpane", extra), ("twinpane", "")]
    while waiting:
        name, of = waiting.pop()
        if (name, of) in found:
            continue
        found.add((name, of))
        for text in ours if name == "twinpane" else metadata.requires(name) or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": of}):
                waiting += [(canonicalize_name(requirement.name), each) for each in ("", *requirement.extras)]
    return {name for name, _ in found} - {"twinpane"}


@pytest.mark.parametrize("extra", HOLDS)
def test_an_extra_brings_all_that_it_needs_and_no_more(extra: str, wheel: Path, tmp_path: Path) -> None:
    """An environment of the wheel and these distributions alone, as they are installed here."""
    venv.create(tmp_path, symlinks=True)
    site = next(tmp_path.glob("lib/python3*/site-packages"))
    for name in needed(extra, wheel):
        for file in metadata.files(name) or ():
            top = Path(*file.parts[:1])
            if ".." not in file.parts and not (site / top).is_symlink() and file.parts[0] != "__pycache__":
                (site / top).symlink_to(Path(str(metadata.distribution(name).locate_file(top))))
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(wheel), str(site)], check=True)
    packages, absent = HOLDS[extra]
    code = IMPORT.format(packages=sorted(packages), other=OTHER_EXTRAS, absent=sorted(absent))
    done = subprocess.run([str(tmp_path / "bin" / "python"), "-I", "-c", code], capture_output=True, text=True, env={"PATH": os.defpath})
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_wheel_holds_types_and_the_public_face(wheel: Path) -> None:
    """``py.typed`` in every package, the broker's stub, and the pages' templates."""
    names = subprocess.run([sys.executable, "-m", "zipfile", "-l", str(wheel)], capture_output=True, text=True, check=True).stdout
    for package in {package for packages, _ in HOLDS.values() for package in packages} | {"twinpane_cli"}:
        assert f"{package}/py.typed" in names
    assert "twinpane_broker/__init__.pyi" in names
    assert "twinpane_review/" in names
