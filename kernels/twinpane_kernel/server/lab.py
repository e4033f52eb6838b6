"""JupyterLab without the handlers that build, install or call outside."""

from typing import Any

from jupyterlab.handlers.announcements import CheckForUpdateHandler, NewsHandler
from jupyterlab.handlers.build_handler import BuildHandler
from jupyterlab.handlers.extension_manager_handler import ExtensionHandler
from jupyterlab.handlers.plugin_manager_handler import PluginHandler
from jupyterlab.labapp import LabApp

REFUSED = (BuildHandler, CheckForUpdateHandler, ExtensionHandler, NewsHandler, PluginHandler)


class LockedLab(LabApp):
    """JupyterLab as the locked server shows it."""

    load_other_extensions = False
    handlers: list[tuple[Any, ...]]
    """A path's pattern, the class that answers it, and what that is made with."""

    def initialize_handlers(self) -> None:
        """Called at start, before the handlers join the server's."""
        super().initialize_handlers()
        self.handlers = [handler for handler in self.handlers if handler[1] not in REFUSED]
        assert self.serverapp is not None
        page_config = self.serverapp.web_app.settings["page_config_data"]
        # No build, and no MathJax from a public address: JupyterLab brings its own.
        page_config.update(buildAvailable=False, buildCheck=False, fullMathjaxUrl="")
