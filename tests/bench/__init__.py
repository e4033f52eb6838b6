"""Speed, side by side with plain Jupyter: ``python -m tests.bench``. What is measured how is told in each module."""

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
if str(TESTS) not in sys.path:
    sys.path.append(str(TESTS))
