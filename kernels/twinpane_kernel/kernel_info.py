"""Describes the kernel before the clear kernel can, and names the differences between this environment and a site's."""

import platform
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from twinpane_sandbox.environment import environment


def differences(site: str, theirs: Mapping[str, str]) -> str:
    """One sentence that names the packages whose versions differ at a site; empty where none do."""
    ours = environment()
    differing = [
        f"{name} {theirs.get(name, 'absent')} (here {ours.get(name, 'absent')})"
        for name in sorted(set(ours) | set(theirs))
        if ours.get(name) != theirs.get(name)
    ]
    return f"{site} runs other versions, so results may differ there: {', '.join(differing)}." if differing else ""


def content() -> dict[str, Any]:
    """The content of a kernel_info_reply, as the clear kernel will give it."""
    version = platform.python_version()
    return {
        "status": "ok", "protocol_version": "5.3", "implementation": "ipython", "implementation_version": metadata.version("ipython"),
        "language_info": {
            "name": "python", "version": version, "mimetype": "text/x-python", "codemirror_mode": {"name": "ipython", "version": 3},
            "pygments_lexer": "ipython3", "nbconvert_exporter": "python", "file_extension": ".py",
        },
        "banner": f"Python {version}: Twinpane", "help_links": [], "debugger": True, "supported_features": ["debugger"],
    }  # fmt: skip
