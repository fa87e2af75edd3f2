"""Ledgers as earlier versions of port104 left them; dumping.py made them, and says what they hold."""

import re
import time
from pathlib import Path

SENDS, FAILS, LATE = "SENDS", "FAILS", "LATE"
_DUMPS = Path(__file__).parent / "dumps"
VERSIONS = sorted(int(path.stem) for path in _DUMPS.glob("*.sql"))
# Seconds and nanoseconds since 1970, where they are a value of their own.
_TIMES = re.compile(r"(?<=,)(\d\.\d+e\+09|\d{19})(?=[,)])")


def file_of(version):
    return _DUMPS / f"{version}.sql"


def script(version):
    """The SQL that makes a ledger of a schema version, as if its engine had been killed a while ago.

    Whatever was to come has come by now: nothing in it is later.
    """
    text = file_of(version).read_text()
    later = time.time() - max(float(one) for one in _TIMES.findall(text) if "." in one)

    def moved(found):
        one = found[0]
        return repr(float(one) + later) if "." in one else str(int(one) + int(later * 1e9))

    return _TIMES.sub(moved, text)


def rows_of(version):
    """The statements that insert its rows, for tables that are there."""
    return [line for line in script(version).splitlines() if line.startswith("INSERT INTO")]
