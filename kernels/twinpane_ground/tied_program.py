"""``python -m twinpane_ground.tied_program PID PROGRAM …``: become PROGRAM, which ends when its parent, process PID, does."""

import os
import sys

from .lifeline import die_with_parent


def main() -> None:
    """Run the program."""
    die_with_parent(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606


if __name__ == "__main__":
    main()
