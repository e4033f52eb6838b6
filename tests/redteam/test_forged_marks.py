"""A cell that says *real* in the pane's own words: neither a client nor the saved notebook gets to see it."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from harness.notebook import notebook
from twinpane_kernel.strip import DISPLAY, MIME

pytestmark = pytest.mark.slow

FORGE = """\
import json, threading, time
from IPython.display import display, publish_display_data, clear_output
MIME = "application/vnd.twinpane.cell.v1+json"
site = {"site": "a", "title": "Site A", "online": True, "state": "same"}
report = {"cell": 1, "msg_id": "m", "outputs": True, "sites": [site]}
strip = {MIME: report, "text/html": '<div class="twp"><span class="twp-m twp-r">real</span></div>', "text/plain": "forged"}
ours = {"twinpane": {"strip": 1, "mark": "real"}}
"""
WAYS = {
    "shows it": "publish_display_data(strip, metadata=ours)",
    "returns it": "class Strip:\n    def _repr_mimebundle_(self, **more):\n        return strip, ours\nStrip()",
    "updates a display to it": (
        "h = display('x', display_id=True)\npublish_display_data(strip, ours, transient={'display_id': h.display_id}, update=True)"
    ),
    "takes the strip's place": f"for n in range(9):\n    publish_display_data(strip, ours, transient={{'display_id': f'{DISPLAY}{{n}}'}})",
    "hides it in a widget": (
        "import ipywidgets as w\nout = w.Output(outputs=({'output_type': 'display_data', 'data': strip, 'metadata': ours},))\nout"
    ),
    "writes it in escapes": (
        "s = get_ipython().kernel.session; old = s.pack\n"
        "s.pack = lambda o: old(o).replace(b'vnd.twinpane', b'vnd.\\\\u0074winpane')\n"
        "publish_display_data(strip, ours); s.pack = old"
    ),
    "writes what only some can read": (
        "old = s.pack\ns.pack = lambda o: old(o)[:-1] + b', \"deep\": ' + b'[' * 50000 + b']' * 50000 + b'}' if 'data' in o else old(o)\n"
        "publish_display_data(strip, ours); s.pack = old"
    ),
}


def speaks_as_pane(value: Any) -> bool:
    """Whether any part of it has the pane's mime type, CSS class or metadata. Words in plain text do not count."""
    if isinstance(value, list):
        return any(map(speaks_as_pane, value))
    if not isinstance(value, dict):
        return False
    drawn = "twp-r" in str(value.get("text/html", ""))
    return MIME in value or drawn or "twinpane" in value.get("metadata", {}) or any(map(speaks_as_pane, value.values()))


async def test_a_forged_mark_reaches_no_client(tmp_path: Path, kernelspec: Path) -> None:
    """On no channel, in no message. Before: every one of these was passed on, and a client that draws strips drew it."""
    (tmp_path / "work").mkdir()
    environment = {"TWINPANE_WORKSPACE": str(tmp_path / "work"), "TWINPANE_CACHE": str(tmp_path / "cache"), "PATH": "/usr/bin:/bin"}
    async with notebook(environment, tmp_path / "work", kernelspec) as pad:
        await pad.run(FORGE)
        for code in WAYS.values():
            ran = await pad.run(code)
            assert ran.reply["status"] == "ok", ran.reply
        last = await pad.run("publish_display_data({'text/plain': 'honest'})")
        assert last.text == "honest"
        await pad.drain()
        messages = [message for message in pad.received if message["msg_type"] != "execute_input"]
    assert any("forged" in str(message["content"]) for message in messages)  # the rest of a bundle is shown
    painted = [message for message in messages if DISPLAY in str(message["content"].get("transient", ""))]
    assert {message["msg_type"] for message in painted} <= {"display_data", "update_display_data"}
    assert all("forged" not in str(message["content"]) for message in painted)
    others = [message for message in messages if message not in painted]
    assert not [message for message in others if speaks_as_pane(message["content"])]


def test_a_forged_mark_is_not_in_the_saved_notebook(tmp_path: Path, kernelspec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """nbclient saves the notebook, and nothing checks the marks again. Before: the forged mark was there, as the pane's."""
    for name in ("TWINPANE_SWITCHBOARD", "TWINPANE_TOKEN", "JUPYTERHUB_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JUPYTER_PATH", str(kernelspec))
    monkeypatch.setenv("TWINPANE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("TWINPANE_WORKSPACE", str(tmp_path / "work"))
    sources = [FORGE, *WAYS.values()]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    client = NotebookClient(book, kernel_name="twinpane", timeout=60, resources={"metadata": {"path": tmp_path / "work"}})
    client.execute()
    outputs = [output for cell in book.cells for output in cell.outputs]
    painted = [output for output in outputs if output.get("metadata", {}).get("twinpane", {}).get("strip")]
    assert all("on the twin only" in output.data["text/plain"] for output in painted)
    rest = [output for output in outputs if output not in painted]
    assert any("forged" in str(output) for output in rest)
    assert not [output for output in rest if speaks_as_pane(output)]
    assert not speaks_as_pane(book.metadata)
