"""`twinpane run` against a small kernel that speaks the pane's control message: waiting, exit status, what is written and left behind."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import nbformat
import pytest
from click.testing import CliRunner
from nbformat.v4 import new_code_cell, new_notebook

from twinpane_kernel import run_pane
from twinpane_kernel.run import run
from twinpane_kernel.run_children import RunError
from twinpane_kernel.run_local import read_folder, read_folders
from twinpane_kernel.run_pane import Status
from twinpane_wire.address import switchboard_url

FAKE = textwrap.dedent('''
    """A kernel that answers like a pane: each cell's sites do what TWINPANE_SWITCHBOARD says (ws://STATE.POLLS)."""
    import os
    from ipykernel.ipkernel import IPythonKernel
    from ipykernel.kernelapp import IPKernelApp
    from twinpane_kernel.cell_report import CellReport, SiteReport, State
    from twinpane_kernel.strip import bundle

    state, polls = os.environ["TWINPANE_SWITCHBOARD"].removeprefix("ws://").split(".")

    class FakePane(IPythonKernel):
        control_msg_types = [*IPythonKernel.control_msg_types, "twinpane_cells_request"]
        cells, asked = {}, 0

        async def execute_request(self, stream, ident, parent):
            msg_id = parent["header"]["msg_id"]
            self.cells[msg_id] = parent["content"]["code"]
            await super().execute_request(stream, ident, parent)

        async def do_execute(self, code, *args, **more):
            reply = await super().do_execute(code, *args, **more)
            strip = bundle(CellReport(cell=1, msg_id="m", outputs=True, sites=(SiteReport(site="a", title="Site A", state="running"),)))
            content = {"data": strip, "metadata": {"twinpane": {"strip": 1}}, "transient": {"display_id": f"s{len(self.cells)}"}}
            self.session.send(self.iopub_socket, "display_data", content, self.get_parent("shell"))
            return reply

        async def twinpane_cells_request(self, stream, ident, parent):
            self.asked += 1
            final = self.asked > int(polls)
            now = State(state) if final else State.running
            failure = {"failure": "KeyError", "line": 2} if now is State.failed else {}
            sites = () if state == "rehearsal" else (SiteReport(site="a", title="Site A", state=now, **failure),)
            known = {"a": {"title": "Site A", "online": True}} if state != "rehearsal" else {}
            cells = {m: CellReport(cell=i, msg_id=m, outputs=True, sites=sites) for i, m in enumerate(self.cells, 1)}
            content = {
                "status": "ok", "settled": all(c.settled for c in cells.values()), "sites": known, "notes": [],
                "cells": {m: c.model_dump(mode="json") for m, c in cells.items()},
            }
            self.session.send(stream, "twinpane_cells_reply", content, parent, ident)

    IPKernelApp.launch_instance(kernel_class=FakePane)
''')


@pytest.fixture
def jupyter(tmp_path, monkeypatch):
    """A kernelspec ``fake`` for the kernel above, and a plain one."""
    script = tmp_path / "fake.py"
    script.write_text(FAKE)
    kernels = {"fake": [sys.executable, str(script)], "plain": [sys.executable, "-m", "ipykernel_launcher"], "dead": ["false"]}
    for name, argv in kernels.items():
        folder = tmp_path / "share" / "kernels" / name
        folder.mkdir(parents=True)
        spec = {"argv": [*argv, "-f", "{connection_file}"], "display_name": name, "language": "python"}
        (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share"))
    monkeypatch.setenv("TWINPANE_TOKEN", "t" * 24)
    return tmp_path


@pytest.fixture
def twinpane_run(jupyter):
    """Runs the command on a notebook of these cells; gives its result and the notebook written."""

    def go(*sources, sites="same.0", kernel="fake", options=()):
        path, out = jupyter / "n.ipynb", jupyter / "out.ipynb"
        nbformat.write(new_notebook(cells=[new_code_cell(source) for source in sources]), path)
        arguments = [str(path), "--out", str(out), "--hub", f"ws://{sites}", "--project", "p", "--kernel-name", kernel, *options]
        result = CliRunner().invoke(run, arguments)
        return result, nbformat.read(out, 4) if out.exists() else None

    return go


@pytest.mark.slow
def test_a_run_waits_until_every_site_has_given_its_verdict(twinpane_run):
    """And writes it, with the final strip in place of the painted one."""
    result, made = twinpane_run("x = 1", "x", sites="differs.3")
    assert result.exit_code == 0, result.output
    assert [cell.metadata.twinpane["sites"]["a"]["verdict"] for cell in made.cells] == ["differs", "differs"]
    assert made.cells[1].outputs[0].data["text/plain"] == "1"
    assert made.cells[1].outputs[0].metadata.twinpane == {"mark": "synthetic"}
    assert made.cells[1].outputs[1].data["text/plain"] == "[synthetic] Site A: differs, held"
    assert made.metadata.twinpane["settled"] is True
    assert "waiting for Site A (2 cells)" in result.output
    assert "[2/2] x" in result.output


@pytest.mark.slow
def test_a_cell_that_fails_on_the_twin_ends_the_run_with_1(twinpane_run):
    """The cells after it do not run."""
    result, made = twinpane_run("1", "1 / 0", "2")
    assert result.exit_code == 1, result.output
    assert "cell 2 failed on the twin: ZeroDivisionError: division by zero" in result.output
    assert made.cells[0].metadata.twinpane["mark"] == "real"
    assert made.cells[1].outputs[0].ename == "ZeroDivisionError"
    assert made.cells[2].execution_count is None
    assert "twinpane" not in made.cells[2].metadata


@pytest.mark.slow
def test_an_ended_kernel_leaves_unknown_what_the_sites_did(twinpane_run):
    """A cell that ends the kernel leaves unknown what the sites did.

    Its cells were sent. It used to say that nothing ran on real rows, which nobody can know.
    """
    result, made = twinpane_run("print(1)", "import os; os._exit(3)")
    assert result.exit_code == 1, result.output
    assert "cells were sent to them, and what became of those is unknown" in result.output
    assert "nothing ran on real rows" not in result.output
    assert [output.text for output in made.cells[0].outputs] == ["1\n"]  # without the strip that was painted on the way
    assert "twinpane" not in made.cells[0].metadata
    assert made.metadata.twinpane["settled"] is False


@pytest.mark.slow
def test_allow_errors_goes_on_after_a_failing_cell(twinpane_run):
    """On the twin and at the sites."""
    result, made = twinpane_run("1 / 0", "2", sites="failed.0", options=["--allow-errors"])
    assert result.exit_code == 0, result.output
    assert made.cells[1].execution_count == 2
    assert made.cells[0].metadata.twinpane["sites"]["a"]["failure"] == "KeyError"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sites", "says"),
    [
        ("failed.0", "Cell 1 failed at Site A: KeyError in line 2"),
        ("spent.0", "its meter is spent"),
        ("refused.0", "has not accepted this project"),
        ("running.0", "did not answer in time"),
        ("rehearsal.0", "No site was reached"),
    ],
)
def test_a_site_that_did_not_do_its_part_is_status_4_and_named(twinpane_run, sites, says):
    """A study never passes for done when a site has not said so."""
    result, made = twinpane_run("1", sites=sites, options=["--timeout", "0.5"])
    assert result.exit_code == 4, result.output
    assert says in result.output
    assert made is not None


@pytest.mark.slow
def test_parameters_reach_the_notebook(twinpane_run):
    """As a cell of their own."""
    _, made = twinpane_run("n + 1", options=["-p", "n", "41"])
    assert made.cells[1].outputs[0].data["text/plain"] == "42"


@pytest.mark.slow
def test_a_kernel_that_is_not_twinpanes_is_said_to_be_none(twinpane_run, monkeypatch):
    """Nothing is marked by guess."""
    monkeypatch.setattr(run_pane, "ANSWER", 1.0)
    result, made = twinpane_run("1", kernel="plain")
    assert result.exit_code == 2
    assert "is it Twinpane's" in result.output
    assert made is None


@pytest.mark.parametrize("kernel", ["dead", "no-such-kernel"])
def test_a_kernel_that_does_not_start_is_named(twinpane_run, kernel):
    """With status 2: nothing ran."""
    result, made = twinpane_run("1", kernel=kernel)
    assert result.exit_code == 2
    assert f"the kernel '{kernel}' did not start" in result.output
    assert made is None


def children(pid):
    """Processes that a process started, and theirs."""
    out = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in out.splitlines()]
    found = [child for child, parent in pairs if parent == pid]
    return found + [grandchild for child in found for grandchild in children(child)]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_no_process(jupyter, number):
    """Ctrl-C and SIGTERM end the kernel too; the status is 130."""
    path, out = jupyter / "n.ipynb", jupyter / "out.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("import time; print('up'); time.sleep(600)")]), path)
    command = [sys.executable, "-c", "from twinpane_kernel.run import run; run()", str(path), "--out", str(out)]
    command += ["--hub", "ws://same.0", "--project", "p", "--kernel-name", "fake"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert any(line.startswith("[1/1]") for line in process.stderr)
            time.sleep(0.5)  # until the cell itself runs
            started = children(process.pid)
            process.send_signal(number)
            assert process.wait(30) == 130
        finally:
            process.kill()
    assert started
    assert not [pid for pid in started if os.path.exists(f"/proc/{pid}")]
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--project", "p"], "say where the sites are"),
        (["--hub", "http://h"], "a hub needs --project"),
        (["--hub", "ftp://h", "--project", "p"], "not a hub's address"),
        (["--sites", "/nonexistent"], "not a site folder"),
    ],
)
def test_a_run_that_cannot_be_meant_is_refused_with_what_to_say(tmp_path, monkeypatch, options, says):
    """Before any kernel starts."""
    for name in ("TWINPANE_SWITCHBOARD", "TWINPANE_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TWINPANE_TOKEN", "t" * 24)
    nbformat.write(new_notebook(), tmp_path / "n.ipynb")
    result = CliRunner().invoke(run, [str(tmp_path / "n.ipynb"), "--out", str(tmp_path / "o.ipynb"), *options])
    assert result.exit_code == 2
    assert says in result.output


def test_what_is_no_notebook_is_refused(tmp_path):
    """By its name."""
    (tmp_path / "n.ipynb").write_text("{}")
    result = CliRunner().invoke(run, [str(tmp_path / "n.ipynb"), "--out", str(tmp_path / "o.ipynb"), "--hub", "ws://h", "--project", "p"])
    assert result.exit_code == 2


@pytest.mark.parametrize(
    ("hub", "url"),
    [
        ("https://hub.example", "wss://hub.example/services/switchboard"),
        ("http://127.0.0.1:8000/", "ws://127.0.0.1:8000/services/switchboard"),
        ("https://example/jupyter/hub/", "wss://example/jupyter/services/switchboard"),
        ("https://hub.example/services/switchboard", "wss://hub.example/services/switchboard"),
        ("ws://127.0.0.1:8082/", "ws://127.0.0.1:8082"),
    ],
)
def test_the_switchboard_is_found_from_the_hubs_address(hub, url):
    """As people copy it from the browser."""
    assert switchboard_url(hub) == url


def site_folder(path, site="site-a"):
    """A site folder as far as `twinpane run` reads it."""
    (path / "keys").mkdir(parents=True)
    (path / "site.toml").write_text(f'id = "{site}"\ntitle = "Site A"\nsource = "data"\n')
    (path / "keys" / "site.pub").write_text("ab" * 32 + "\n")
    return path


def test_a_site_folder_tells_who_it_is(tmp_path):
    """Id, title and public key; nothing else is read."""
    folder = read_folder(site_folder(tmp_path / "a"))
    assert (folder.id, folder.title, folder.public_key) == ("site-a", "Site A", "ab" * 32)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda p: (p / "site.toml").unlink(), "not a site folder"),
        (lambda p: (p / "site.toml").write_text("id = "), "cannot be read"),
        (lambda p: (p / "site.toml").write_text('id = "Not An Id"'), "names no site"),
        (lambda p: (p / "keys" / "site.pub").unlink(), "no public key"),
        (lambda p: (p / "keys" / "site.pub").write_text("--option"), "not a public key"),
    ],
)
def test_a_folder_that_is_no_site_is_refused_with_the_remedy(tmp_path, spoil, says):
    """Before anything is started."""
    spoil(site_folder(tmp_path / "a"))
    with pytest.raises(RunError, match=says):
        read_folder(tmp_path / "a")


def test_a_site_is_named_once(tmp_path):
    """Two folders of one id would answer for each other."""
    with pytest.raises(RunError, match="both site site-a"):
        read_folders([site_folder(tmp_path / "a"), site_folder(tmp_path / "b")])


@pytest.mark.slow
@pytest.mark.parametrize(
    "content", [{}, {"status": "error"}, {"status": "ok"}, {"status": "ok", "settled": True, "cells": {"m": {}}, "sites": {}}]
)
def test_an_answer_that_is_none_is_refused(content):
    """Nothing is recorded from what cannot be read."""
    with pytest.raises(RunError, match="of this version"):
        Status.of(content)
