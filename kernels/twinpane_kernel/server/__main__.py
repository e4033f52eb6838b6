"""``python -I -m twinpane_kernel.server``."""

from .app import main

main()
