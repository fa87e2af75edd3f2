"""The files that a run left in its output folder, and where they are to go.

A run may say so itself, in `output/results.json`:

    {"destinations": ["PACS"], "files": {"report.dcm": ["PACS", "RIS"]}}

`destinations` are for every file that `files` does not name; without them those of the pipeline or else of
the AE title hold. Blocks on the disk: call it from a worker thread.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from port104.dispatch.payload import OUTPUT
from port104.jobs.ledger.results import Result
from port104.storage.reading import identify

WORD = "results.json"
_MOST_BYTES = 1024 * 1024  # of results.json; a name and some destinations for each of thousands of files
MOST_FILES = 100_000
"""Of one run."""


class FaultyResultsError(ValueError):
    """What a run left cannot be taken; the text says why, and where."""


class _Word(msgspec.Struct, forbid_unknown_fields=True):
    """results.json."""

    destinations: list[str] | None = None
    files: dict[str, list[str]] = {}


def collect(root: Path, folder: Path, destinations: Sequence[str]) -> list[Result]:
    """Look at what a run left in its `folder` below the storage folder `root`.

    `destinations`: where what the run says nothing of is to go. Raises FaultyResultsError, OSError.
    """
    output = folder / OUTPUT
    word = _word_of(output)
    left = {name: path for name, path in files_below(output) if name != WORD}
    if missing := sorted(word.files.keys() - left.keys()):
        raise FaultyResultsError(f"{WORD} names {missing[0]!r}, which is not in {OUTPUT}/")
    others = destinations if word.destinations is None else word.destinations
    return [
        result
        for name, path in sorted(left.items())
        for result in _results_of(path.relative_to(root), path, word.files.get(name, others))
    ]


def _word_of(output: Path) -> _Word:
    path = output / WORD
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return _Word()
    except OSError as failure:
        raise FaultyResultsError(f"{WORD} cannot be read: {failure.strerror}") from failure
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise FaultyResultsError(f"{WORD} is longer than {_MOST_BYTES} bytes")
    try:
        return msgspec.json.decode(content, type=_Word)
    except (msgspec.DecodeError, UnicodeError) as fault:
        raise FaultyResultsError(f"{WORD} is not as port104 takes it: {fault}") from fault


def files_below(output: Path) -> Iterator[tuple[str, Path]]:
    """Path below `output`, and path, of each regular file: no link leads out of it.

    Raises FaultyResultsError where there are too many.
    """
    count = 0
    for folder, _, names in os.walk(output):
        for name in names:
            path = Path(folder) / name
            if stat.S_ISREG(path.lstat().st_mode):
                count += 1
                if count > MOST_FILES:
                    raise FaultyResultsError(f"there are more than {MOST_FILES} files in {OUTPUT}/")
                yield str(path.relative_to(output)), path


def _results_of(file: Path, path: Path, destinations: Sequence[str]) -> Iterator[Result]:
    try:
        identity = identify(path)
    except ValueError as fault:
        yield Result(file=str(file), state="unreadable", why=str(fault))
        return
    yield from results_for(file, identity, destinations)


def results_for(file: Path, identity: tuple[str, str], destinations: Sequence[str]) -> Iterator[Result]:
    """What a DICOM file is: one result for each destination, or one that is kept where there is none.

    `file`: its path below the storage folder; `identity`: its SOP class and SOP instance UID.
    """
    facts = {"sop_class_uid": identity[0], "sop_instance_uid": identity[1]}
    for destination in dict.fromkeys(destinations):
        yield Result(file=str(file), destination=destination, state="waiting", **facts)
    if not destinations:
        yield Result(file=str(file), state="kept", why="no destination is named for it", **facts)
