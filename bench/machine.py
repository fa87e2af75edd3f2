"""What a run ran on."""

import os
import platform
from pathlib import Path

import psutil

from trials import DISK, RAM_DISK, Place


def describe(places: list[Place]) -> dict[str, str]:
    """Name to value, for people."""
    cpu = Path("/proc/cpuinfo").read_text()
    virtual = "virtual machine" if "hypervisor" in cpu else "no hypervisor seen"
    return {
        "processor": f"{_field(cpu, 'model name')}, {os.cpu_count()} cores ({virtual})",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, {_distribution()}",
        "Python": platform.python_version(),
        **{place.name: place.file_system for place in places},
    }


def place(folder: Path) -> Place:
    """What `folder` stands on."""
    there = next(path for path in [folder, *folder.parents] if path.exists())
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    at = {point: kind for point, kind in mounts if there.resolve().is_relative_to(point)}
    file_system = at[max(at, key=len)]
    return Place(RAM_DISK if file_system in {"tmpfs", "ramfs"} else DISK, file_system, folder)


def _field(text: str, name: str) -> str:
    values = (line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith(name))
    return next(values, "unknown")


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return "unknown distribution"
