"""A real OpenID Connect provider on this machine (npm's ``oidc-provider``), whose people a test changes while they are signed in."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

HERE = Path(__file__).parent / "oidc"
SECRET = "a secret of these tests alone"
READY_S = 60.0
WHERE = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{Path(sys.prefix) / 'bin'}"}
"""The environment, and where set-up puts Node.js if the machine has none."""


@dataclass
class Provider:
    """The provider; ``people`` are its claims by subject."""

    port: int
    folder: Path
    callback: str
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def write(self, people: dict[str, dict[str, Any]]) -> None:
        """Whom it knows from now on."""
        fresh = self.folder / "people.new"
        fresh.write_text(json.dumps(people))
        fresh.replace(self.folder / "people.json")

    def start(self) -> None:
        """Start it, and wait until it answers. Its people sign in again after a stop: it keeps nothing."""
        words = [
            shutil.which("node", path=WHERE["PATH"]) or "node",
            str(HERE / "provider.mjs"),
            self.url,
            str(self.folder / "people.json"),
            SECRET,
            self.callback,
        ]
        with (self.folder / "provider.log").open("ab") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, cwd=HERE)
        until = time.monotonic() + READY_S
        while True:
            try:
                httpx.get(f"{self.url}/.well-known/openid-configuration", trust_env=False).raise_for_status()
                return
            except httpx.HTTPError:
                assert self.process.poll() is None, (self.folder / "provider.log").read_text()
                assert time.monotonic() < until, "the provider does not answer"
                time.sleep(0.1)

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    @property
    def settings(self) -> dict[str, Any]:
        """The section ``[sign_in]`` of a hub."""
        return {
            "kind": "oidc", "name": "Hospital ID", "issuer": self.url, "authorize_url": f"{self.url}/auth",
            "token_url": f"{self.url}/token",
            "userdata_url": f"{self.url}/me", "client_id": "hub", "callback_url": self.callback,
            "scope": ["openid", "profile", "offline_access"],
            "roles": {"it-research": "researcher", "privacy-board": "reviewer"}, "grace_minutes": 2,
        }  # fmt: skip


def installed() -> None:
    """See that its npm packages are there, as the lock file has them."""
    if not (HERE / "node_modules" / "oidc-provider").is_dir():
        npm = shutil.which("npm", path=WHERE["PATH"])
        assert npm is not None, "`make setup` installs Node.js, and with it npm"
        made = subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=HERE, capture_output=True, text=True, env=WHERE, check=False)
        assert made.returncode == 0, made.stderr[-2000:]
