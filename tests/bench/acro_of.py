"""ACRO's crosstab of a CSV file, as JSON: ``python acro_of.py FILE N``. Runs in ACRO's own environment, which has none of ours."""

import contextlib
import io
import json
import logging
import sys
import time

import pandas as pd
from acro import ACRO

logging.disable(logging.CRITICAL)
frame = pd.read_csv(sys.argv[1])
took = []
with contextlib.redirect_stdout(io.StringIO()):
    acro = ACRO(suppress=True)
    for _ in range(int(sys.argv[2]) + 1):
        began = time.perf_counter()
        acro.crosstab(frame.sex, frame.race)
        took.append((time.perf_counter() - began) * 1000)
print(json.dumps(took[1:]))
