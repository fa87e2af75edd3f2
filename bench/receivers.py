"""The receivers under test: how each is started, with which settings, and what it stores where.

Foreign receivers get the fastest settings that still store what they are sent. One port, one AE title.
"""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

AE_TITLE = "PORT104"
BUILD = Path(__file__).parents[1] / "build" / "bench"
Figures = dict[str, float]


class NotInstalledError(Exception):
    """A receiver that cannot be measured here, and why."""


def _no_last_words(_log: Path) -> Figures:
    return {}


class Receiver(NamedTuple):
    """One of them, ready to be started.

    `command(port, folder)` starts it in an empty folder with an empty folder `files` in it; `stored` is the
    pattern, below that folder, of the files that it keeps, one for an instance. `last_words` reads figures
    from its log, once it has stopped.
    """

    name: str
    version: str
    settings: str
    command: Callable[[int, Path], list[str]]
    stored: str = "files/**/*"
    streams: bool = True  # it writes as it receives; others hold every instance that is under way
    slow: bool = False  # a single instance of each of many associations takes it seconds
    fewest: int = 1  # associations that it is measured with
    most: int = 10_000
    secure: bool = False  # it speaks TLS, and the sender must
    reference: bool = False  # it is measured on every file system and in the quick run
    environment: Mapping[str, str] = MappingProxyType({})
    last_words: Callable[[Path], Figures] = _no_last_words


def installed(program: str) -> str:
    """The program's path. Raises NotInstalledError."""
    # Debian installs daemons where only root's PATH looks; an active .venv has a storescp of pynetdicom's.
    folders = [*os.environ.get("PATH", "").split(":"), "/usr/sbin", "/usr/local/sbin"]
    own = str(Path(sys.executable).parent)
    path = shutil.which(program, path=":".join(one for one in folders if one != own))
    if path is None:
        raise NotInstalledError(f"{program} is not installed")
    return path


def first_line(*command: str) -> str:
    """The first line of what a command says, which is where versions stand."""
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return said.splitlines()[0].strip("$ ").removeprefix(command[0]).strip() if said else "unknown"


def tls_file() -> Path:
    """Certificate and key, in one file, of both sides; each trusts the other's. Made when missing."""
    file = BUILD / "tls.pem"
    if not file.exists():
        words = "req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=127.0.0.1 -keyout - -out -"
        made = subprocess.run([installed("openssl"), *words.split()], capture_output=True, check=True)
        file.write_bytes(made.stdout)
    return file


def port104(durability: str, *, window: int = 1, secure: bool = False) -> Receiver:
    """The engine itself."""
    settings = f"durability {durability}" + (f", operationsWindow {window}" if window > 1 else "")

    def command(port: int, folder: Path) -> list[str]:
        scp = {
            "port": None if secure else port,
            "tls": _tls_settings(port) if secure else {},
            "host": "127.0.0.1",
            "rejectUnknownSources": False,
            "maximumNumberOfAssociations": 2000,
            "operationsWindow": window,
            "aeTitles": [{"aeTitle": AE_TITLE}],
        }
        storage = {"temporary": str(folder / "storage"), "durability": durability}
        storage |= {"watermarkPercent": 100, "reserveSpaceGB": 0}  # a RAM disk is small
        config = folder / "port104.json"
        settings = {"dicom": {"scp": scp}, "storage": storage, "log": {"format": "json"}}
        config.write_text(json.dumps(settings | {"api": {"port": None}}))
        return [sys.executable, "-m", "port104", "start", "-f", str(config)]

    return Receiver(
        name=f"port104 ({'TLS' if secure else durability})",
        version=f"{importlib.metadata.version('port104')}, Python {sys.version.split()[0]}",
        settings=f"{settings}; otherwise its defaults, for 2,000 associations",
        command=command,
        stored="storage/instances/**/*.dcm",
        reference=True,
        secure=secure,
        last_words=files_per_barrier,
    )


def _tls_settings(port: int) -> dict[str, Any]:
    file = str(tls_file())
    return {"enabled": True, "port": port, "certificate": file, "clientCertificateAuthorities": file}


def files_per_barrier(log: Path) -> Figures:
    """What one sync covered, from the line that port104 logs when it stops, where that has the counters."""
    lines = log.read_text(errors="replace").splitlines()
    entries = [json.loads(line) for line in lines if line.startswith("{") and '"stopped"' in line]
    if not entries or not entries[-1].get("barriers"):
        return {}
    return {"files_per_barrier": entries[-1]["barrier_files"] / entries[-1]["barriers"]}


def dcmtk(*, secure: bool = False) -> Receiver:
    """DCMTK's storescp, a process per association, bit-preserving, with its largest PDU."""
    program = installed("storescp")
    options = ["+B", "--fork", "-pdu", "131072"]

    def command(port: int, folder: Path) -> list[str]:
        file = str(tls_file())
        tls = ["+tls", file, file, "+cf", file] if secure else []
        return [program, *options, *tls, "-aet", AE_TITLE, "-od", str(folder / "files"), str(port)]

    return Receiver(
        name="DCMTK storescp" + (" +tls" if secure else ""),
        version=first_line(program, "--version"),
        settings=" ".join([*options, *(["+tls"] if secure else [])]),
        command=command,
        secure=secure,
        reference=True,
    )


def floor(*, forks: bool) -> Receiver:
    """The bare C program that only receives and writes."""

    def command(port: int, folder: Path) -> list[str]:
        return [str(BUILD / "floor"), str(port), str(folder / "files"), *(["fork"] if forks else [])]

    return Receiver(
        name="floor (forking)" if forks else "floor",
        version="bench/floor.c",
        settings="recv and write, "
        + ("a process per connection" if forks else "one process, one connection at a time"),
        command=command,
        fewest=2 if forks else 1,
        most=10_000 if forks else 1,
        reference=True,
    )
