"""A sandboxed kernel is a whole Jupyter kernel, and two of them with one seed draw the same."""

import contextlib
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from redteam.sandbox_client import Client, running

pytestmark = pytest.mark.slow

DRAW = """
import random, uuid, tempfile, os, sys
random_alone = [random.random(), random.Random().random(), uuid.uuid4().hex, uuid.uuid1().hex, hash("text"), tempfile.mkdtemp()]
assert "numpy" not in sys.modules
import numpy as np
drawn = [np.random.rand(), np.random.default_rng().random(), np.random.RandomState().rand(), np.random.default_rng().integers(10**9)]
import ipywidgets
drawn.append(ipywidgets.IntSlider().model_id)
from sklearn.model_selection import train_test_split
drawn.append(train_test_split(list(range(30)))[0])
read, write = os.pipe()
if os.fork() == 0:
    os.write(write, f"{random.random()} {uuid.uuid4()} {np.random.rand()}".encode())
    os._exit(0)
drawn.append(os.read(read, 1000))
os.wait()
print(random_alone, drawn, [random.random(), uuid.uuid4().hex], sorted({"a", "b", "c"}), list({"a", "b", "c"}), os.getpid(), os.getcwd())
print(sorted(os.environ.items()), sys.argv[:1], sys.path, sys.flags)
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with running(tmp_path_factory.mktemp("k")) as client:
        yield client


def test_two_kernels_with_one_seed_draw_the_same(tmp_path: Path) -> None:
    """Two kernels with the same seed draw the same numbers. Another seed draws other numbers."""
    said = []
    for number, seed in enumerate((11, 11, 12)):
        (tmp_path / str(number)).mkdir()
        with running(tmp_path / str(number), seed=seed) as client:
            done = client.run(DRAW)
            assert done["error"] is None
            said.append(done["text"])
    assert said[0] == said[1]
    first, third = said[0].splitlines(), said[2].splitlines()
    assert first[0] != third[0]


def test_a_kernel_starts_whatever_descriptors_its_host_has(tmp_path: Path) -> None:
    """Before: from a thousand on, as in a server that had run for a week, no kernel came up (select(2) knows no larger number)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 6000)), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(5000)]
    try:
        with running(tmp_path) as client:
            assert client.run("print(6 * 7)")["text"] == "42\n"
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert client.kernel.process.poll() is not None


def test_cells_import_modules_that_lie_beside_their_notebook(client: Client) -> None:
    """As in any Jupyter kernel; what starts the kernel does not (``-P``), so that a file there cannot stand in for a part of it."""
    done = client.run("open('beside_it.py', 'w').write('answer = 42')\nimport beside_it\nprint(beside_it.answer)")
    assert (done["error"], done["text"]) == (None, "42\n")


def test_questions_of_a_client_draw_nothing(tmp_path: Path) -> None:
    """A client asks the clear kernel for completions and the like; the inside kernel is never asked."""
    setup = (
        "import random, uuid\nimport numpy as np\n"
        "class Chance:\n"
        "    def __dir__(self): random.random(); uuid.uuid4(); np.random.rand(); np.random.default_rng(); return ['found']\n"
        "    def __getattr__(self, name): self.__dir__(); raise AttributeError(name)\n"
        "    def __repr__(self): self.__dir__(); return 'chance'\n"
        "chance = Chance()"
    )
    said = []
    for asked in (False, True):
        with running(tmp_path, seed=3, name=f"k{asked}") as client:
            assert client.run(setup)["error"] is None
            for _ in range(3 if asked else 0):
                client.ask("shell", "complete_request", {"code": "chance.", "cursor_pos": 7})
                client.ask("shell", "inspect_request", {"code": "chance", "cursor_pos": 6, "detail_level": 0})
                client.ask("shell", "kernel_info_request", {})
                client.ask("shell", "history_request", {"output": False, "raw": True, "hist_access_type": "tail", "n": 5})
                client.ask("shell", "is_complete_request", {"code": "1"})
            said.append(client.run("print(random.random(), uuid.uuid4(), np.random.rand(), np.random.default_rng().random())")["text"])
    assert said[0] == said[1]


def test_forks_do_not_draw_the_same_as_each_other(client: Client) -> None:
    code = (
        "import os, uuid, random\n"
        "said = []\n"
        "for _ in range(3):\n"
        "    r, w = os.pipe()\n"
        "    if os.fork() == 0:\n"
        "        os.write(w, f'{uuid.uuid4()} {random.random()}'.encode()); os._exit(0)\n"
        "    said.append(os.read(r, 100)); os.wait()\n"
        "print(len(set(said)))"
    )
    assert client.run(code)["text"].strip() == "3"


def test_what_asks_for_unpredictable_numbers_gets_them(client: Client) -> None:
    code = "import secrets, os, random; print(secrets.token_hex(), os.urandom(8), random.SystemRandom().random())"
    assert client.run(code)["text"] != client.run(code)["text"]


def test_the_kernel_offers_the_debugger_and_no_subshells(client: Client) -> None:
    info = client.ask("shell", "kernel_info_request", {})
    assert info.content["supported_features"] == ["debugger"]
    assert client.run("%subshell")["text"].strip() == "Kernel does not support subshells"


def interrupted(client: Client, code: str) -> str | None:
    """The error of a cell that is interrupted once it has printed a word. Before a cell runs, an interrupt has no effect."""
    msg_id, error = client.request(code), None
    while True:
        message = client.receive("iopub")
        if message is None or message.parent_msg_id != msg_id:
            continue
        match message.msg_type:
            case "stream":
                assert client.ask("control", "interrupt_request", {}).content["status"] == "ok"
            case "error":
                error = message.content["ename"]
            case "status" if message.content["execution_state"] == "idle":
                return error


def test_an_interrupt_by_message_ends_a_sleep_at_once(client: Client) -> None:
    assert interrupted(client, "import time; print('it runs'); time.sleep(600)") == "KeyboardInterrupt"


def test_an_interrupt_reaches_a_program_that_the_cell_started(client: Client) -> None:
    code = "import subprocess; started = subprocess.Popen(['sleep', '600']); print('it runs'); started.wait()"
    assert interrupted(client, code) == "KeyboardInterrupt"
    assert client.run("started.wait(20)")["error"] is None


def test_history_is_kept_in_memory_and_answered(client: Client) -> None:
    client.run("marker = 4711")
    client.run("1")  # the newest entry is left out of a tail
    history = client.ask("shell", "history_request", {"output": False, "raw": True, "hist_access_type": "tail", "n": 50}).content["history"]
    assert any("marker = 4711" in entry[2] for entry in history)
    found = client.run("import glob, os; print([p for p in glob.glob('/tmp/**/*.sqlite', recursive=True, include_hidden=True)])")
    assert found["text"].strip() == "[]"


def test_completion_and_inspection_answer(client: Client) -> None:
    client.run("variable_of_mine = 1")
    assert "variable_of_mine" in client.ask("shell", "complete_request", {"code": "variable_of", "cursor_pos": 11}).content["matches"]
    inspected = client.ask("shell", "inspect_request", {"code": "len", "cursor_pos": 3, "detail_level": 0}).content
    assert inspected["found"]


def test_input_is_asked_for_and_given(client: Client) -> None:
    msg_id = client.request("print(input('name? '))", allow_stdin=True)
    prompt = client.receive("stdin")
    assert prompt is not None
    assert (prompt.content, prompt.parent_msg_id) == ({"prompt": "name? ", "password": False}, msg_id)
    client.send("stdin", "input_reply", {"value": "Ada"})
    text = ""
    while True:
        message = client.receive("iopub")
        if message is not None and message.parent_msg_id == msg_id:
            text += message.content.get("text", "")
            if message.content.get("execution_state") == "idle":
                break
    assert text == "Ada\n"


@pytest.mark.parametrize("failing", ["1/0", "import asyncio\nawait asyncio.sleep(0.3)\n1/0"])
def test_a_failure_aborts_the_cells_that_wait_and_no_later_ones(client: Client, failing: str) -> None:
    """Cells that wait are aborted when one fails, and later ones run.

    Also behind a cell that awaits: its loop takes the waiting requests in before it fails.
    """
    ids = [client.request(code) for code in (failing, "print('waited')", "print('waited')")]
    status = {}
    while len(status) < 3:
        message = client.receive("shell")
        if message is not None and message.parent_msg_id in ids:
            status[message.parent_msg_id] = message.content["status"]
    assert [status[one] for one in ids] == ["error", "aborted", "aborted"]
    assert client.run("print('later')")["text"] == "later\n"


def test_the_debugger_attaches_over_loopback(tmp_path: Path) -> None:
    with running(tmp_path, loopback=True) as client:

        def debug(command: str, seq: int, **arguments: object) -> dict:
            client.send("control", "debug_request", {"type": "request", "command": command, "seq": seq, "arguments": arguments})
            assert client.sockets["control"].poll(20000)
            import json

            return json.loads(client.sockets["control"].recv_multipart()[5])

        initialized = debug("initialize", 1, clientID="test", adapterID="test", pathFormat="path", linesStartAt1=True, columnsStartAt1=True)
        assert initialized["success"], initialized
        assert debug("attach", 2)["success"]
        dumped = debug("dumpCell", 3, code="a = 1\nb = a + 1\n")
        path = dumped["body"]["sourcePath"]
        assert path.startswith("/tmp/")
        broken = debug("setBreakpoints", 4, source={"path": path}, breakpoints=[{"line": 2}], sourceModified=False)
        assert broken["body"]["breakpoints"][0]["verified"]
        assert debug("configurationDone", 5)["success"]
        client.request("a = 1\nb = a + 1\n")
        end = time.monotonic() + 10
        stopped = False
        while not stopped and time.monotonic() < end:
            if client.sockets["iopub"].poll(100):
                stopped = b'"stopped"' in client.sockets["iopub"].recv_multipart()[-1]
        assert stopped
        shown = debug("richInspectVariables", 6, variableName="a", frameId=0)
        assert shown["type"] == "response"


def test_numbers_tables_models_and_plots_run_inside(client: Client, tmp_path: Path) -> None:
    code = (
        "import numpy as np, pandas as pd, pyarrow as pa, pyarrow.parquet as pq, duckdb, matplotlib.pyplot as plt, multiprocessing\n"
        "from sklearn.linear_model import LogisticRegression\n"
        "from sklearn.ensemble import RandomForestClassifier\n"
        "df = pd.DataFrame({'x': np.arange(100.), 'y': np.arange(100) % 2})\n"
        "df.to_parquet('/project/t.parquet'); df = pd.read_parquet('/project/t.parquet')\n"
        "print(duckdb.sql('select count(*), avg(x) from df').fetchall())\n"
        "m = LogisticRegression().fit(df[['x']], df.y); RandomForestClassifier(n_estimators=5, n_jobs=2).fit(df[['x']], df.y)\n"
        "print(m.coef_.shape, np.linalg.svd(np.eye(50))[1].sum())\n"
        "plt.plot([1, 2]); plt.show()\n"
        "with multiprocessing.get_context('fork').Pool(2) as p: print(p.map(abs, [-1, -2]))\n"
    )
    done = client.run(code, timeout=120)
    assert done["error"] is None, done["messages"]
    assert done["text"].splitlines()[0] == "[(100, 49.5)]"
    assert any("image/png" in message.content.get("data", {}) for message in done["messages"])


def test_a_shutdown_by_message_ends_the_sandbox(tmp_path: Path) -> None:
    with running(tmp_path) as client:
        client.send("control", "shutdown_request", {"restart": False})
        assert client.kernel.wait(10) == 0


def test_a_configuration_planted_in_the_project_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    for name in ("ipython_config.py", "ipython_kernel_config.py", "sitecustomize.py", "usercustomize.py", "json.py", "zmq.py"):
        (tmp_path / "project" / name).write_text("open('/project/planted', 'w').close()\n")
    with running(tmp_path) as client:
        client.run("1")
    assert not (tmp_path / "project" / "planted").exists()


def test_a_closed_kernel_starts_again_in_the_same_folder(tmp_path: Path) -> None:
    """A kernel answers again in the same folder after it was closed."""
    for _ in range(2):
        with running(tmp_path) as client:
            assert client.run("print(6 * 7)")["text"] == "42\n"


def test_a_client_may_connect_before_the_kernel_is_up(tmp_path: Path) -> None:
    """The sockets listen when launch returns: the first request is answered without another try."""
    import zmq

    from twinpane_sandbox import protocol
    from twinpane_sandbox.bubblewrap import Sandbox
    from twinpane_sandbox.launch import launch

    for name in ("data", "project"):
        (tmp_path / name).mkdir()
    kernel = launch(Sandbox(data=tmp_path / "data", project=tmp_path / "project", private=tmp_path / "k", seed=1))
    context = zmq.Context()
    try:
        with contextlib.closing(context.socket(zmq.DEALER)) as shell:
            shell.linger = 0
            shell.connect(f"ipc://{kernel.connection['ip']}-{kernel.connection['shell_port']}")
            key = kernel.connection["key"].encode()
            shell.send_multipart(protocol.frames(key, protocol.header("kernel_info_request", "s"), {}))
            assert shell.poll(20_000)
    finally:
        context.destroy(linger=0)
        kernel.close()


def test_the_private_folder_is_for_this_user_alone(tmp_path: Path) -> None:
    with running(tmp_path) as client:
        assert os.stat(client.kernel.private).st_mode & 0o777 == 0o700
        assert os.stat(client.kernel.private / "kernel.json").st_mode & 0o777 == 0o600
