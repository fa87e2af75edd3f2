"""pynetdicom, as bench/pynetdicom_receiver.py serves with it."""

import importlib.metadata
import sys
from pathlib import Path

from receivers import Receiver

SETTINGS = {
    "default": "event.dataset and save_as, default maximum PDU length",
    "raw": "event.encoded_dataset() written as it came, unlimited PDU length",
}


def pynetdicom(mode: str) -> Receiver:
    """`mode`: default or raw."""

    def command(port: int, folder: Path) -> list[str]:
        script = Path(__file__).with_name("pynetdicom_receiver.py")
        return [sys.executable, str(script), mode, str(port), str(folder / "files")]

    return Receiver(
        name=f"pynetdicom ({mode})",
        version=importlib.metadata.version("pynetdicom"),
        settings=f"{SETTINGS[mode]}, maximum_associations 2000",
        command=command,
        streams=False,
        slow=True,
        # Opening 200 associations takes it ten seconds; once is enough.
        most=10_000 if mode == "default" else 32,
    )
