"""`python -m soak MINUTES [SEED]`: soak, write build/soak/report.md, exit with 1 when something is wrong."""

import secrets
import shutil
import sys
from pathlib import Path

from soak.campaign import soak
from soak.report import written

BUILD = Path(__file__).parents[2] / "build" / "soak"


def main(minutes, seed=None):
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(parents=True)
    outcome = soak(BUILD / "storage", float(minutes) * 60, int(seed or secrets.randbelow(1_000_000)))
    report = written(outcome)
    (BUILD / "report.md").write_text(report)
    print(report)
    if not outcome.faults:
        shutil.rmtree(BUILD / "storage")
    return bool(outcome.faults)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
