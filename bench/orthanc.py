"""Orthanc, from Debian's package."""

import json
import socket
from pathlib import Path

from receivers import AE_TITLE, Receiver, first_line, installed

# The fastest that still stores what it is sent: files as they come, neither compressed nor summed nor synced,
# the largest PDU that it takes, a thread for every association, no HTTP server, no plugins, no jobs to save.
# Its SQLite index stands on the same file system as its files.
FASTEST = {
    "StorageCompression": False,
    "StoreMD5ForAttachments": False,
    "SyncStorageArea": False,
    "OverwriteInstances": False,
    "MaximumPduLength": 131072,
    "DicomThreadsCount": 256,
    "HttpServerEnabled": False,
    "SaveJobs": False,
    "UnknownSopClassAccepted": True,
    "DicomAlwaysAllowStore": True,
    "DicomCheckCalledAet": False,
    "DicomCheckModalityHost": False,
    "Plugins": [],
}


def orthanc() -> Receiver:
    """Raises NotInstalledError."""
    program = installed("Orthanc")

    def command(port: int, folder: Path) -> list[str]:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            http_port = probe.getsockname()[1]  # claimed by no one: the HTTP server is off
        own = {
            "Name": "bench",
            "DicomAet": AE_TITLE,
            "DicomPort": port,
            "HttpPort": http_port,
            "StorageDirectory": str(folder / "files"),
            "IndexDirectory": str(folder / "index"),
        }
        config = folder / "orthanc.json"
        config.write_text(json.dumps(FASTEST | own))
        return [program, str(config)]

    return Receiver(
        name="Orthanc",
        version=first_line(program, "--version"),
        settings=", ".join(f"{key} {json.dumps(value)}" for key, value in FASTEST.items()),
        command=command,
        streams=False,
        slow=True,
    )
