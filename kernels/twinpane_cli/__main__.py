"""``python -I -m twinpane_cli …`` is ``twinpane …``."""

from .command import main

if __name__ == "__main__":
    main(prog_name="twinpane")
