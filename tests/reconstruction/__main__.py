"""``python -m tests.reconstruction``: attack the broker as a statistician would, and print how often he is right about persons.

Exit status 1 where an attack reaches more under the preset ``10-5`` than the goal allows.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from .ordinary import QUESTIONS, Ordinary, ordinary
from .registry import ATTACKS, PRESETS, is_tried
from .result import GOAL, HELD_TO, Result, render
from .setting import Setting

PERSONS = (300, 1_000, 3_000, 20_000)
MOST = 3_200
ORDINARY = "ordinary"


def main(argv: list[str] | None = None) -> int:
    """Attack, print the table, write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.reconstruction", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="ATTACK", help=f"names, or how they begin: {', '.join(ATTACKS)}; or {ORDINARY}")
    parser.add_argument("--persons", nargs="+", type=int, default=list(PERSONS), metavar="N")
    parser.add_argument("--preset", nargs="+", choices=PRESETS, default=list(PRESETS), metavar="PRESET", help=", ".join(PRESETS))
    parser.add_argument("--questions", type=int, default=MOST, help="that one attacker asks at most; looked at after 200, 400 and so on")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there as well")
    asked = parser.parse_args(argv)
    wanted = [name for name in ATTACKS if not asked.only or any(name.startswith(only) for only in asked.only)]
    answered = not asked.only or ORDINARY in asked.only
    if not wanted and not answered:
        parser.error(f"there is no attack {' or '.join(asked.only)}")
    results: list[Result] = []
    usual: list[Ordinary] = []
    with tempfile.TemporaryDirectory(prefix="reconstruction-") as name:
        for persons in asked.persons:
            for preset in asked.preset:
                results += _attacked(Path(name), wanted, preset, persons, asked.questions, asked.seed)
        if answered:
            for preset in asked.preset:
                if preset != "dp":  # it answers from its budget alone
                    _progress(f"ordinary questions, {preset}")
                    usual.append(ordinary(Path(name), preset, questions=min(QUESTIONS, asked.questions), seed=asked.seed))
                    _progress(f"  {usual[-1]}")
    if results:
        print(render(results))
        missed = dict.fromkeys(f"{r.attack} at {r.persons:,}" for r in results if r.preset == HELD_TO and not r.holds)
        print(f"\nGoal: at most {GOAL:g} points above the majority under {HELD_TO}. Missed: {'; '.join(missed) or 'nowhere'}.")
    for each in usual:
        print(each)
    if asked.json:
        rows = {"attacks": [result.as_json() for result in results], "ordinary": [each.as_json() for each in usual]}
        asked.json.write_text(json.dumps(rows, indent=2) + "\n")
    return int(any(r.preset == HELD_TO and not r.holds for r in results))


def _attacked(root: Path, wanted: list[str], preset: str, persons: int, questions: int, seed: int) -> list[Result]:
    results = []
    for attack in wanted:
        if not is_tried(attack, preset):
            continue
        began = time.monotonic()
        _progress(f"{attack}, {preset}, {persons:,} persons")
        with tempfile.TemporaryDirectory(dir=root) as folder:
            setting = Setting(Path(folder), preset, persons, questions, seed, _progress)
            for result in ATTACKS[attack](setting):
                results.append(result)
                _progress(f"  {result.accuracy:.0f} % right, majority {result.majority:.0f} %, {result.asked:,} questions")
        _progress(f"  {time.monotonic() - began:.0f} s")
    return results


def _progress(text: str) -> None:
    print(f"… {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
