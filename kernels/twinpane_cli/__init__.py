"""The one command, ``twinpane``. It stands above every package and joins packages that must not know each other."""
