"""Switches file faults in a running server: the other side of faults/shim.c."""

import mmap
import struct
import subprocess
from pathlib import Path

OPEN, WRITE, SYNC, RENAME, LOOK, UNLINK, READ, CLOSE, LIST = (1 << bit for bit in range(9))
_SETTINGS = (
    "armed",
    "stalled_classes",
    "stall_milliseconds",
    "failing_classes",
    "failing_errno",
    "failing_every",
    "failing_number",
    "short_writes",
    "interrupted",
    "volume_megabytes",
    "free_megabytes",
)
_COUNTERS = ("main_thread_calls", "calls", "failing_calls")
_FIELD = struct.Struct("I")
_SETTINGS_BYTES = _FIELD.size * len(_SETTINGS)
_BYTES = _SETTINGS_BYTES + _FIELD.size * len(_COUNTERS)


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
        control.write_bytes(bytes(_BYTES))
        with control.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _BYTES)
        self.environment = {
            "LD_PRELOAD": str(library),
            "FILE_FAULTS_CONTROL": str(control),
            "FILE_FAULTS_FOLDER": str(folder),
        }

    def set(self, **settings):
        """From now on these faults and no others; calls are counted."""
        values = {"armed": 1} | settings
        assert values.keys() <= set(_SETTINGS)
        packed = b"".join(_FIELD.pack(values.get(name, 0)) for name in _SETTINGS)
        self._map[:_SETTINGS_BYTES] = packed
        _FIELD.pack_into(self._map, self._place("failing_calls"), 0)

    def clear(self):
        """From now on no faults; calls are counted."""
        self.set()

    @property
    def main_thread_calls(self):
        """How many calls the server's main thread has made below the folder."""
        return self._counter("main_thread_calls")

    @property
    def calls(self):
        """How many calls the server has made below the folder."""
        return self._counter("calls")

    @property
    def failing_calls(self):
        """How many calls of the failing classes it has made since they were set."""
        return self._counter("failing_calls")

    def _counter(self, name):
        return _FIELD.unpack_from(self._map, self._place(name))[0]

    def _place(self, name):
        return _SETTINGS_BYTES + _FIELD.size * _COUNTERS.index(name)

    def close(self):
        self._map.close()
