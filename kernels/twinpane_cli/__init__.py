"""The one command, ``twinpane``: it stands above every package and puts together what must not know each other."""
