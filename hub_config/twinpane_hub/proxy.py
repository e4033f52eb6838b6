"""How configurable-http-proxy is started: as it was installed with this checkout, or for the whole machine."""

import shutil
import sys
from pathlib import Path

from .settings import SettingsError

ROOT = Path(__file__).parents[2]


def proxy_command() -> list[str]:
    """The command, by absolute paths; raises SettingsError where it is not installed."""
    script = ROOT / "node_modules" / "configurable-http-proxy" / "bin" / "configurable-http-proxy"
    node = shutil.which("node") or shutil.which("node", path=str(Path(sys.prefix) / "bin"))
    if script.is_file() and node:
        return [node, str(script)]
    installed = shutil.which("configurable-http-proxy")
    if installed:
        return [installed]
    raise SettingsError("configurable-http-proxy is not installed: run `make setup`, or `npm install -g configurable-http-proxy`")
