"""JupyterHub, as Twinpane runs it. TWINPANE_HUB_SETTINGS names the TOML file of its settings (see ``twinpane_hub.settings``)."""

from twinpane_hub.configure import configure
from twinpane_hub.settings import from_environment

configure(get_config(), from_environment())  # noqa: F821  JupyterHub gives it
