"""A log file that is begun anew each day and when it grows too long.

`port104.log` is the current one. A finished one is named after its day and a number,
`port104.20261224-001.log`, so that names sort by age. Days are UTC; "now" is the time of the record
that is written.
"""

import logging
import re
import time
from logging.handlers import BaseRotatingHandler
from pathlib import Path


class RotatingLogFile(BaseRotatingHandler):
    """Writes records to a file and keeps `retained_files` finished ones.

    It blocks: only the log thread may use it. Raises OSError when the file cannot be opened.
    """

    def __init__(self, file: Path, *, maximum_size: int, retained_files: int) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(str(file), mode="a", encoding="utf-8", errors="backslashreplace")
        self._file = file.absolute()
        self._finished = FinishedFiles(self._file)
        self._maximum_size = maximum_size
        self._retained_files = retained_files
        # An earlier run may have begun the file: its last write tells the day.
        self._day = self._today = day_of(file.stat().st_mtime)

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802 - logging's name
        """Whether the record belongs into a new file: it is of another day, or finds no room."""
        self.stream = self.stream or self._open()
        size = self.stream.tell()
        self._today = day_of(record.created)
        if size == 0:
            self._day = self._today
            return False
        length = len(f"{self.format(record)}\n".encode(errors="backslashreplace"))
        return self._today != self._day or size + length > self._maximum_size

    def doRollover(self) -> None:  # noqa: N802 - logging's name
        """Finish the file and delete the oldest ones."""
        if self.stream is not None:
            self.stream.close()
            self.stream = None  # the next record opens it, also when what follows fails
        self._file.rename(self._finished.next_name(self._day))
        self._day = self._today
        for old in self._finished.newest_first()[self._retained_files :]:
            old.unlink(missing_ok=True)


class FinishedFiles:
    """The finished files of `file`."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def next_name(self, day: str) -> Path:
        """Name the file that is finished now, which was begun on `day`."""
        stem = f"{self._file.stem}.{day}-"
        same_day = [old.name for old in self.newest_first() if old.name.startswith(stem)]
        number = int(same_day[0][len(stem) :].split(".")[0]) + 1 if same_day else 1
        return self._file.with_name(f"{stem}{number:03}{self._file.suffix}")

    def newest_first(self) -> list[Path]:
        """List the finished files."""
        stem, suffix = re.escape(self._file.stem), re.escape(self._file.suffix)
        name = re.compile(rf"{stem}\.(\d{{8}})-(\d{{3,}}){suffix}")
        found = [
            (match, path) for path in self._file.parent.iterdir() if (match := name.fullmatch(path.name))
        ]
        found.sort(key=lambda pair: (pair[0][1], int(pair[0][2])), reverse=True)
        return [path for _, path in found]


def day_of(timestamp: float) -> str:
    """Write the UTC day of a Unix time as it stands in names."""
    return time.strftime("%Y%m%d", time.gmtime(timestamp))
