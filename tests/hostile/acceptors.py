"""Whom the survey asks: port104 and three others, each with its shortest timers and its strictest settings.

What a setting can refuse or end it does, so that what remains is how the program itself takes what comes.
"""

import importlib.metadata
import json
import sys
from pathlib import Path

from engine_process import free_port
from hostile.cases import identity
from hostile.cases.instances import OBJECT_LIMIT
from receivers import AE_TITLE, Receiver, first_line, installed

ARTIM, IDLE = 1, 2  # seconds, where they can be set


def _program(folder, name, settings):
    """A configuration file in `folder`."""
    config = folder / f"{name}.json"
    config.write_text(json.dumps(settings))
    return str(config)


def port104():
    limits = {
        "artimTimeout": ARTIM,
        "requestTimeout": ARTIM,
        "idleTimeout": IDLE,
        "sendTimeout": ARTIM,
        "messageTimeout": 2 * IDLE,
        "byteRateGrace": ARTIM,
        "maximumObjectSize": OBJECT_LIMIT,
    }

    def command(port, folder):
        scp = {
            "port": port,
            "host": "127.0.0.1",
            "rejectUnknownSources": False,
            "aeTitles": [{"aeTitle": AE_TITLE}],
            "userIdentity": identity.settings(folder),
        }
        settings = {"dicom": {"scp": scp | limits}, "storage": {"temporary": str(folder / "files")}}
        settings |= {"api": {"port": None}}
        return [sys.executable, "-m", "port104", "start", "-f", _program(folder, "port104", settings)]

    return Receiver(
        name="port104",
        version=importlib.metadata.version("port104"),
        settings=", ".join(f"{key} {value}" for key, value in limits.items()),
        command=command,
        stored="files/instances/**/*.dcm",
    )


def dcmtk():
    """Raises NotInstalledError."""
    program = installed("storescp")
    options = ["+B", "--fork", "+xa", "-ta", str(ARTIM), "-td", str(IDLE), "-ts", str(IDLE)]

    def command(port, folder):
        return [program, *options, "-aet", AE_TITLE, "-od", str(folder / "files"), str(port)]

    return Receiver(
        name="DCMTK storescp",
        version=first_line(program, "--version"),
        settings=" ".join(options),
        command=command,
    )


def orthanc():
    """Raises NotInstalledError."""
    program = installed("Orthanc")
    strict = {
        "DicomScpTimeout": IDLE,
        "DicomCheckCalledAet": True,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowEcho": True,
        "UnknownSopClassAccepted": False,
        "OverwriteInstances": False,
        "HttpServerEnabled": False,
        "Plugins": [],
    }

    def command(port, folder):
        own = {
            "DicomAet": AE_TITLE,
            "DicomPort": port,
            "HttpPort": free_port(),
            "StorageDirectory": str(folder / "files"),
            "IndexDirectory": str(folder / "index"),
        }
        return [program, _program(folder, "orthanc", strict | own)]

    return Receiver(
        name="Orthanc",
        version=first_line(program, "--version"),
        settings=", ".join(f"{key} {json.dumps(value)}" for key, value in strict.items()),
        command=command,
    )


def pynetdicom():
    script = Path(__file__).with_name("pynetdicom_acceptor.py")

    def command(port, folder):
        return [sys.executable, str(script), str(port), str(folder / "files"), str(ARTIM), str(IDLE)]

    return Receiver(
        name="pynetdicom",
        version=importlib.metadata.version("pynetdicom"),
        settings=f"acse_timeout {ARTIM}, dimse_timeout and network_timeout {IDLE}, require_called_aet,"
        " event.dataset and save_as as in its documentation",
        command=command,
    )


ACCEPTORS = {"port104": port104, "dcmtk": dcmtk, "orthanc": orthanc, "pynetdicom": pynetdicom}
