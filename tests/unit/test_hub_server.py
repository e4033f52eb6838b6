"""The parts of the locked Jupyter server: one kernelspec, no links, kernels in the workspace only, no handler that runs or serves."""

import json
import sys
from pathlib import Path

import pytest
from jupyter_client.kernelspec import NoSuchKernel
from tornado.web import HTTPError

from twinpane_kernel.install import install
from twinpane_kernel.server.app import EXTENSIONS, LockedServer
from twinpane_kernel.server.contents import WorkspaceContents
from twinpane_kernel.server.kernel_manager import WorkspaceKernels
from twinpane_kernel.server.kernelspecs import OnlyTwinpane


def plant(folder: Path, name: str) -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / "kernel.json").write_text(json.dumps({"argv": ["/bin/sh", "-c", "id"], "display_name": name, "language": "python"}))


@pytest.fixture
def manager(tmp_path: Path) -> OnlyTwinpane:
    install(tmp_path, sys.executable)
    folder = tmp_path / "share" / "jupyter" / "kernels"
    plant(folder, "evil")
    plant(folder, "python3")
    found = OnlyTwinpane()
    found.kernel_dirs = [str(folder)]
    return found


def test_the_only_kernel_is_listed_and_starts(manager: OnlyTwinpane) -> None:
    assert list(manager.get_all_specs()) == ["twinpane"]
    spec = manager.get_kernel_spec("twinpane")
    assert spec.argv == [sys.executable, "-I", "-m", "twinpane_kernel", "-f", "{connection_file}"]
    assert (spec.interrupt_mode, spec.metadata["debugger"]) == ("message", True)


@pytest.mark.parametrize("name", ["evil", "python3", "TWINPANE", "twinpane ", "", "../evil", "twinpane/../evil"])
def test_every_other_kernel_is_refused_where_kernels_start(manager: OnlyTwinpane, name: str) -> None:
    with pytest.raises(NoSuchKernel):
        manager.get_kernel_spec(name)
    with pytest.raises(HTTPError):
        manager.get_kernel_spec(name)


def test_without_the_kernelspec_nothing_starts(tmp_path: Path) -> None:
    manager = OnlyTwinpane()
    manager.kernel_dirs = [str(tmp_path)]
    with pytest.raises(NoSuchKernel):
        manager.get_kernel_spec("twinpane")


def test_kernelspecs_come_from_this_environment_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernelspecs come from this environment, whatever Jupyter's paths say."""
    plant(tmp_path / "kernels", "twinpane")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    assert OnlyTwinpane().kernel_dirs == [str(Path(sys.prefix) / "share" / "jupyter" / "kernels")]


def test_converting_rendering_and_raw_services_are_left_out() -> None:
    """Services that convert, render or serve raw files are left out."""
    assert not {"nbconvert", "view", "files"} & set(LockedServer.default_services)
    assert WorkspaceContents().get_extra_handlers() == []
    assert list(EXTENSIONS) == ["twinpane_kernel.server"]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key.txt").write_text("secret")
    (tmp_path / "workspace" / "deep").mkdir(parents=True)
    return tmp_path / "workspace"


@pytest.mark.parametrize("path", ["../secret", "deep/../../secret", "link", "/etc", "nowhere/at/all"])
def test_a_kernel_starts_in_the_workspace_whatever_is_asked(workspace: Path, path: str) -> None:
    """A kernel starts in the workspace, whatever path is asked for."""
    (workspace / "link").symlink_to("../secret")
    kernels = WorkspaceKernels(root_dir=str(workspace))
    assert kernels.cwd_for_path(path) == str(workspace)
    assert kernels.cwd_for_path("deep") == str(workspace / "deep")


@pytest.mark.parametrize("kernel_id", ["../../evil", "x", "", 7, {"a": 1}])
async def test_a_kernels_id_is_a_uuid_or_nothing(workspace: Path, kernel_id: object) -> None:
    with pytest.raises(HTTPError, match="UUID"):
        await WorkspaceKernels(root_dir=str(workspace)).start_kernel(kernel_id=kernel_id, kernel_name="twinpane")


def test_an_installed_kernelspec_is_replaced_whole(tmp_path: Path) -> None:
    folder = install(tmp_path, "/old/python")
    install(tmp_path, "/new/python")
    assert json.loads((folder / "kernel.json").read_text())["argv"][0] == "/new/python"
    assert [p.name for p in folder.iterdir() if p.name.endswith(".part")] == []


def test_dangerous_plugins_are_disabled_and_locked() -> None:
    """Plugins that download, open terminals or install are disabled and locked."""
    config = json.loads((Path(sys.modules["twinpane_kernel.server.app"].__file__ or "").parent / "lab" / "page_config.json").read_text())
    for plugin in ("docmanager-extension:download", "filebrowser-extension:download", "terminal-extension", "extensionmanager-extension"):
        assert f"@jupyterlab/{plugin}" in config["disabledExtensions"]
    assert set(config["disabledExtensions"]) == set(config["lockedExtensions"])
