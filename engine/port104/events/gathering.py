"""The files of an export request: found in the folder of their attempt, looked at, and made results.

Blocks on the disk: call it from a worker thread, while no folder is removed (dispatch.Desk.folders).
"""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from port104.dispatch.filing import FaultyFilesError, put_into
from port104.dispatch.payload import RUNS
from port104.events.forms import FileExportStatus
from port104.jobs.ledger.requests import Request, Requested

_Fault = tuple[FileExportStatus, str]


def gather(root: Path, request: Request, unknown: Sequence[str]) -> list[Requested]:
    """Look at each file, and copy it where it is not in the run's output; what is wrong is a file's status.

    `root`: the storage folder. `unknown`: those of its destinations that are not there. Raises StorageError
    where the disk fails.
    """
    if unknown:
        why = f"there is no destination {', '.join(unknown)}: port104 create dest makes one; nothing is sent"
        faults = dict.fromkeys(request.files, (FileExportStatus.CONFIGURATION_ERROR, why))
        return [each for path in request.files for each in _not_sent(path, request, faults[path])]
    folder = root / RUNS / request.run_id / str(request.attempt)
    sources, faults = _sources(root, request)
    while sources:
        try:
            results = put_into(root, folder, [*sources.values()], request.destinations)
        except FaultyFilesError as faulty:
            paths = [*sources]
            for index, why in faulty.faults:
                faults[paths[index]] = FileExportStatus.UNSUPPORTED_DATA_TYPE, why
                del sources[paths[index]]
        else:
            break
    else:
        results = []
    wanted = ((path, destination) for path in sources for destination in request.destinations)
    sent = [Requested(*key, result) for key, result in zip(wanted, results, strict=True)]
    return sent + [each for path in faults for each in _not_sent(path, request, faults[path])]


def _sources(root: Path, request: Request) -> tuple[dict[str, Path], dict[str, _Fault]]:
    """Where each file is, by its path; and what is wrong with others."""
    sources: dict[str, Path] = {}
    faults: dict[str, _Fault] = {}
    for path in request.files:
        try:
            sources[path] = _source(root, path)
        except OSError as failure:
            why = f"{failure.strerror}: the run may have none, or its folder is gone (jobs.keep...Hours)"
            faults[path] = FileExportStatus.DOWNLOAD_ERROR, why
        except ValueError as fault:
            faults[path] = FileExportStatus.DOWNLOAD_ERROR, str(fault)
    return sources, faults


def _source(root: Path, path: str) -> Path:
    """Raises OSError where it is not there, ValueError where it is no file, or none of its run."""
    runs, run_id, attempt, _ = path.split("/", 3)
    here = Path(os.path.realpath(root), runs, run_id, attempt)
    folder = Path(os.path.realpath((root / path).parent))
    if not folder.is_relative_to(here):
        raise ValueError("a link leads out of the folder of its run")
    source = folder / Path(path).name
    if not stat.S_ISREG(source.lstat().st_mode):
        raise ValueError("it is no file, but a link, a folder or a device")
    return source


def _not_sent(path: str, request: Request, fault: _Fault) -> list[Requested]:
    status, why = fault
    return [Requested(path, destination, None, status, why) for destination in request.destinations]
