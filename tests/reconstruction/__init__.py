"""Attacks on the broker as a statistician would make them: ``python -m tests.reconstruction``."""

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
if str(TESTS) not in sys.path:
    sys.path.append(str(TESTS))
