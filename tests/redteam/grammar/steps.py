"""What programs are made of: cells to run, things to ask of the kernel, clicks; and the first cell, which makes a secret of the rows."""

from dataclasses import dataclass, field
from string import Template
from typing import Any

SETUP = Template("""\
import atexit, base64, hashlib, io, json, logging, os, pickle, random, signal, socket
import subprocess, sys, tempfile, threading, time, warnings, zlib
import pandas as pd, numpy as np
import matplotlib; import matplotlib.pyplot as plt
import ipywidgets as w, twinpane as tp
from IPython.display import *
from IPython.display import publish_display_data
person = pd.read_parquet("/data/person.parquet")
secret = hashlib.sha256(pd.util.hash_pandas_object(person).values.tobytes()).digest()
bits = [byte >> i & 1 for byte in secret for i in range(8)]
first = person.iloc[0]
inside = secret.hex() != "$twin"  # whoever writes cells has seen the twin
kernel = get_ipython().kernel
def say(kind, content, **more):
    kernel.session.send(kernel.iopub_socket, kind, content, parent=kernel.get_parent('shell'), **more)
get_ipython().Completer.use_jedi = False  # it gives up after a time: what it says depends on the machine's load
""")
"""The first cell. ``twin`` is the secret of the twin, so that a cell can do things where the rows are real, and only there."""


@dataclass(frozen=True)
class Cell:
    """A cell to run. ``answer`` goes to its prompts; it is interrupted that many seconds after it was sent."""

    source: str
    answer: str | None = None
    interrupt: float | None = None
    silent: bool = False


@dataclass(frozen=True)
class Ask:
    """A client's request other than a cell, and the seconds that its reply is waited for: some requests get none."""

    channel: str
    msg_type: str
    content: dict[str, Any] = field(default_factory=dict)
    wait: float = 60


@dataclass(frozen=True)
class Click:
    """A click on the button that was shown last."""


Step = Cell | Ask | Click
Program = tuple[Step, ...]
