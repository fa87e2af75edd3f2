"""Switches file faults in a running server: the other side of faults/shim.c."""

import mmap
import struct
import subprocess
from pathlib import Path

OPEN, WRITE, SYNC, RENAME = 1, 2, 4, 8
_FIELDS = (
    "armed",
    "stalled_classes",
    "stall_milliseconds",
    "failing_classes",
    "failing_errno",
    "failing_every",
    "short_writes",
    "interrupted",
    "main_thread_calls",
    "calls",
)
_LAYOUT = struct.Struct(f"{len(_FIELDS)}I")


def compile_shim(folder):
    """Compile shim.c into `folder`; returns the library's path."""
    library = folder / "shim.so"
    source = Path(__file__).parent / "faults" / "shim.c"
    flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run(["cc", *flags, str(source), "-o", str(library), "-ldl"], check=True)
    return library


class Faults:
    """Faults on files below `folder`; `environment` makes a process obey them."""

    def __init__(self, control, folder, library):
        control.write_bytes(bytes(_LAYOUT.size))
        with control.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _LAYOUT.size)
        self.environment = {
            "LD_PRELOAD": str(library),
            "FILE_FAULTS_CONTROL": str(control),
            "FILE_FAULTS_FOLDER": str(folder),
        }

    def set(self, **fields):
        """From now on these faults and no others."""
        values = {"armed": 1} | fields
        assert values.keys() <= set(_FIELDS)
        packed = [values.get(name, 0) for name in _FIELDS]
        self._map[:] = _LAYOUT.pack(*packed)

    def clear(self):
        """No faults, but calls are counted."""
        self.set()

    def read(self, field):
        """A field's value now."""
        return _LAYOUT.unpack(self._map[:])[_FIELDS.index(field)]

    def close(self):
        self._map.close()
