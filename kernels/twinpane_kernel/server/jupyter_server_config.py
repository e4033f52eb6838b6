"""Configuration of a researcher's Jupyter server. The only configuration file it reads; see ``app.py``."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from twinpane_kernel.server.contents import WorkspaceContents
from twinpane_kernel.server.kernel_manager import WorkspaceKernels
from twinpane_kernel.server.kernelspecs import NAME, OnlyTwinpane
from twinpane_kernel.server.signed_out import CACHE_S

if TYPE_CHECKING:
    from traitlets.config import Config

    def get_config() -> Config:
        """Given by Jupyter while it reads this file."""


c = get_config()

here = Path(__file__).parent
private = Path(os.environ["TWINPANE_SERVER_DIR"])  # outside everything that a cell can write

# Kernels: Twinpane's, nothing else.
c.ServerApp.kernel_spec_manager_class = OnlyTwinpane
c.ServerApp.kernel_manager_class = WorkspaceKernels
c.MultiKernelManager.default_kernel_name = NAME
c.ServerApp.terminals_enabled = False
c.WorkspaceKernels.most = int(os.environ["TWINPANE_KERNELS"])
c.MappingKernelManager.cull_idle_timeout = 12 * 3600
c.MappingKernelManager.cull_connected = False

# Files: the workspace folder, no links, nothing hidden, nothing raw.
c.ServerApp.root_dir = os.environ["TWINPANE_WORKSPACE"]
c.ServerApp.contents_manager_class = WorkspaceContents
c.ContentsManager.allow_hidden = False
c.WorkspaceContents.checkpoint_dir = str(private / "checkpoints")
c.NotebookNotary.data_dir = str(private / "data")

# Who may ask: whoever the hub lets in, for every handler.
c.ServerApp.allow_unauthenticated_access = False
c.ServerApp.authorizer_class = "jupyterhub.singleuser.extension.JupyterHubAuthorizer"
c.ServerApp.allow_origin = ""
c.HubOAuth.cache_max_age = CACHE_S
c.ServerApp.disable_check_xsrf = False

# The browser talks to this server alone: what a cell shows (HTML, a widget) loads nothing from elsewhere and sends nothing there.
POLICY = {
    "default-src": "'self'", "script-src": "'self' 'unsafe-inline' 'unsafe-eval' blob:", "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:", "media-src": "'self' data: blob:", "font-src": "'self' data:", "connect-src": "'self' data: blob:",
    "worker-src": "'self' blob:", "frame-src": "'self' data: blob:", "form-action": "'self'", "object-src": "'none'", "base-uri": "'self'",
    "frame-ancestors": "'none'",
}  # fmt: skip
c.ServerApp.tornado_settings = {"headers": {
    "Content-Security-Policy": "; ".join(f"{kind} {sources}" for kind, sources in POLICY.items()),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    # A window that opens this server's pages, or that they open, gets no handle on the other.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}}  # fmt: skip

# Where the server keeps its own things.
c.ServerApp.open_browser = False
c.ServerApp.allow_root = True  # on a machine or in a container that knows no one else; cells run in a sandbox, never with its rights
c.LockedLab.user_settings_dir = str(private / "lab" / "user-settings")
c.LockedLab.workspaces_dir = str(private / "lab" / "workspaces")
c.LockedLab.app_settings_dir = str(here / "lab")
c.LockedLab.labextensions_path = [str(Path(sys.prefix) / "share" / "jupyter" / "labextensions")]
c.LockedLab.extra_labextensions_path = []

# JupyterLab calls nobody outside and installs nothing.
c.LockedLab.news_url = None
c.LockedLab.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LockedLab.extension_manager = "readonly"
c.LockedLab.lock_all_plugins = True
