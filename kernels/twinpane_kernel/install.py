"""Installs the kernelspec: ``python -m twinpane_kernel.install [--prefix DIR]``.

The interpreter's absolute path is written into ``argv``, so that neither PATH nor the working directory decides what starts.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from twinpane_ground import atomic

NAME = "twinpane"
TEMPLATE = Path(__file__).parent / "kernelspec"


def spec(python: str) -> dict[str, Any]:
    """The kernelspec for an interpreter, given by its absolute path."""
    found: dict[str, Any] = json.loads((TEMPLATE / "kernel.json").read_text("utf-8"))
    found["argv"] = [python if word == "{python}" else word for word in found["argv"]]
    return found


def install(prefix: Path, python: str = sys.executable) -> Path:
    """Write the kernelspec below ``prefix``; returns its folder. An older one is replaced file by file, never half."""
    folder = prefix / "share" / "jupyter" / "kernels" / NAME
    folder.mkdir(parents=True, exist_ok=True)
    contents = {"kernel.json": (json.dumps(spec(os.path.abspath(python)), indent=2) + "\n").encode()}
    contents |= {path.name: path.read_bytes() for path in TEMPLATE.iterdir() if path.suffix in (".png", ".svg")}
    for name, content in contents.items():
        atomic.write(folder / name, content, mode=None)
    return folder


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Install the Twinpane kernelspec.")
    parser.add_argument("--prefix", type=Path, default=Path(sys.prefix), help="where share/jupyter/kernels is; this environment by default")
    install(parser.parse_args().prefix)


if __name__ == "__main__":
    main()
