"""From what people name to files: files, folders, patterns, DICOMDIRs (PS3.10 8.6)."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from port104.errors import Port104Error

_DICOMDIR = "DICOMDIR"


class NothingNamedError(Port104Error):
    """A name stands for no file."""


class Selected(msgspec.Struct, frozen=True, gc=False):
    """A file. `named`: it must be an instance; else a folder held it, where other files may stand too."""

    path: str
    named: bool


def select(names: Iterable[str]) -> list[Selected]:
    """Find the files, each once, in a stable order. Blocks on the disk. Raises NothingNamedError, OSError.

    Symbolic links to files are followed, those to folders below a named one are not.
    """
    found: dict[str, Selected] = {}
    for name in names:
        for path in _matches(name):
            for selected in _below(path):
                if selected.named or selected.path not in found:
                    found[selected.path] = selected
    return [*found.values()]


def _matches(name: str) -> list[Path]:
    if os.path.lexists(name):
        return [Path(name)]
    # Path.glob takes no absolute pattern.
    matched = sorted(glob.glob(name, recursive=True))  # noqa: PTH207
    if not matched:
        raise NothingNamedError(f"{name}: there is no such file or folder")
    return [Path(each) for each in matched]


def _below(path: Path) -> Iterator[Selected]:
    if not path.is_dir():
        yield from _files_of(path)
        return
    for folder, below, files in os.walk(path, onerror=_raise):
        below.sort()
        files.sort()
        prefix = os.path.join(folder, "")  # noqa: PTH118 - a Path for each file takes longer than the look at it
        yield from (Selected(prefix + file, named=False) for file in files if file.upper() != _DICOMDIR)


def _files_of(path: Path) -> Iterator[Selected]:
    if path.name.upper() != _DICOMDIR:
        yield Selected(str(path), named=True)
        return
    from port104.storage.reading import referenced_files  # noqa: PLC0415 - few need pydicom

    for parts in referenced_files(path):
        yield Selected(str(path.parent.joinpath(*parts)), named=True)


def _raise(failure: OSError) -> None:
    raise failure
