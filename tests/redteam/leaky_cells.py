"""Cells that try to carry rows out, each by another door. The same program is run on data sets that differ; nothing may tell them apart."""

SETUP = """\
import base64, hashlib, time, random, sys, os, json
import pandas as pd, numpy as np
import matplotlib; import matplotlib.pyplot as plt
person = pd.read_parquet("/data/person.parquet")
secret = hashlib.sha256(pd.util.hash_pandas_object(person).values.tobytes()).digest()
bits = [byte >> i & 1 for byte in secret for i in range(8)]
first = person.iloc[0]
get_ipython().Completer.use_jedi = False  # it gives up after a time: what it says depends on the machine's load
"""

LEAKS = {
    "prints rows": "print(person.to_csv())",
    "shows rows": "person.head(20)",
    "encodes rows": "print(base64.b64encode(person.to_csv().encode()).decode())",
    "writes to stderr": "print(secret.hex(), file=sys.stderr)",
    "writes to the descriptor": "os.write(1, secret.hex().encode()); os.write(2, secret.hex().encode()); time.sleep(0.4)",
    "runs a program that prints": "import subprocess; done = subprocess.run(['echo', secret.hex()]); time.sleep(0.4)",
    "raises with rows in the text": "raise KeyError(secret.hex())",
    "raises a class named by rows": "raise type('E' + secret.hex(), (Exception,), {})('x')",
    "fails in a function named by rows": "exec(f'def f_{secret.hex()}():\\n    return 1/0\\nf_{secret.hex()}()')",
    "shows a figure of rows": "plt.scatter(person['year_of_birth'], range(len(person))); plt.title(secret.hex()); plt.show()",
    "shows a figure with rows in its pixels": "plt.imshow(np.array(bits).reshape(16, 16)); plt.show()",
    "shows a display with an id of rows": "from IPython.display import display; display('x', display_id=secret.hex())",
    "updates a display many times": (
        "from IPython.display import display\nh = display('x', display_id=True)\nfor b in bits[:16]: h.update(str(b))"
    ),
    "clears output by rows": "from IPython.display import clear_output\nfor b in bits[:8]:\n    print(b)\n    clear_output(wait=bool(b))",
    "opens a widget with rows": "import ipywidgets as w; s = w.HTML(value=secret.hex()); s",
    "moves a widget by rows": "t = w.IntText(); t",
    "sets widget state": "t.value = int.from_bytes(secret[:4], 'big')",
    "names an unknown mime type": (
        "from IPython.display import publish_display_data\npublish_display_data({'x/' + secret.hex(): 1, 'text/plain': 'x'})"
    ),
    "puts rows in metadata": "publish_display_data({'text/plain': 'x'}, metadata={'k': secret.hex()})",
    "says more or less": "print('x' * (1000 * int(secret[0])))",
    "fails or not": "assert bits[0]",
    "fails on a line by rows": "if bits[1]:\n    1/0\nelse:\n    [][1]",
    "sleeps by rows": "time.sleep(0.25 * bits[2])",
    "sleeps longer by rows": "time.sleep(0.05 * (secret[1] % 16))",
    "writes files by rows": "open('/project/' + secret.hex()[:8], 'w').write(secret.hex()); os.mkdir('/project/d' + secret.hex()[:8])",
    "plants a link": "os.symlink('/etc/passwd', '/project/link-' + secret.hex()[:6])",
    "writes to the calls socket": (
        # Calls that name no cell go to the one that the pane knows to run: give it time to know.
        "import socket; time.sleep(0.5)\nfor k in ('query', 'reveal', 'export', 'exports', secret.hex()):\n"
        "    c = socket.socket(socket.AF_UNIX); c.connect(os.environ['TWINPANE_CALLS'])\n"
        "    c.sendall(json.dumps({'call': k, 'args': {'x': secret.hex()}}).encode() + b'\\n')\n"
        "    c.settimeout(20)\n    try: c.recv(100)\n    except OSError: pass\n    c.close()"
    ),
    "dies or not": "pass",
    "defines completions of rows": "class C:\n    pass\nc = C(); setattr(c, 'k' + secret.hex(), 1); d = {secret.hex(): 1}",
    "asks a prompt of rows": "reply = input(secret.hex()); print(len(reply))",
    "uses the seed": "print(random.random(), np.random.rand())",
    "forges protocol messages": (
        "from ipykernel.kernelapp import IPKernelApp\nk = IPKernelApp.instance().kernel\n"
        "k.session.send(k.iopub_socket, 'verdict', {'outcome': secret.hex()})\n"
        "k.session.send(k.iopub_socket, 'comm_open', {'comm_id': secret.hex(), 'target_name': 'x', 'data': {}})\n"
        "k.session.send(k.iopub_socket, 'status', {'execution_state': secret.hex()})\nNone"
    ),
    "sets payloads": "get_ipython().set_next_input(secret.hex())",
    "asks for a release": "import twinpane as tp; tp.sql('select count(*) n from person')",
    "asks by rows": "tp.sql('select count(*) n from person') if bits[3] else None",
    "reveals": "tp.reveal(float(person['year_of_birth'].mean()), 'mean year', digits=3)",
    "reveals what is no number": "tp.reveal(float('nan'), 'none', digits=3)",
    "reveals by rows": "tp.reveal(bits[4], 'bit', digits=1) if bits[4] else None",
    "uses memory": "x = bytearray(10_000_000 * (1 + bits[5])); del x",
}
"""What the cell tries, and its source. Outside it runs on the twin; inside on rows that nobody outside may see."""


def signals(count: int) -> list[str]:
    """Fast cells that each try to signal one bit: by failing, by output, by time."""
    ways = ["1/0 if bits[{i}] else 0", "print(bits[{i}])", "time.sleep(0.12 * bits[{i}])", "x = bits[{i}]"]
    return [ways[i % len(ways)].format(i=i % 256) for i in range(count)]
