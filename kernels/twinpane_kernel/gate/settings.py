"""What the spawner tells the gate, in one environment variable; every other variable of the gate goes on to the server."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ENVIRONMENT = "TWINPANE_GATE"
OWN = (ENVIRONMENT, "XDG_CACHE_HOME")
"""Variables that are for the gate alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSettings:
    """The settings of one server: its owner, its two folders, and the port at which the proxy finds it.

    Each port that the server sees leads to a port or a unix socket of this machine. The settings also give the most kernels at a time,
    and the machine's user for the server and its kernels (0: the gate's own).
    """

    name: str
    workspace: Path
    server: Path
    port: int
    reach: tuple[tuple[int, int | Path], ...]
    kernels: int
    owner: int


def _target(given: int | str) -> int | Path:
    return Path(given) if isinstance(given, str) else int(given)


def read(environment: Mapping[str, str]) -> tuple[GateSettings, dict[str, str]]:
    """The settings, and the server's environment; raises ValueError where they are not whole."""
    try:
        given: dict[str, Any] = json.loads(environment[ENVIRONMENT])
        settings = GateSettings(
            name=str(given.pop("name")), workspace=Path(given.pop("workspace")), server=Path(given.pop("server")),
            port=int(given.pop("port")), reach=tuple((int(port), _target(target)) for port, target in given.pop("reach")),
            kernels=int(given.pop("kernels")), owner=int(given.pop("owner")),
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{ENVIRONMENT} does not say what the gate needs to know ({error})") from None
    if given:
        raise ValueError(f"{ENVIRONMENT} says what the gate does not know: {', '.join(given)}")
    return settings, {name: value for name, value in environment.items() if name not in OWN}
