"""Orthanc as a sending modality: a process of its own on loopback, driven by its REST API."""

import contextlib
import json
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from engine_process import free_port
from lacking import lacking
from peers import find_peer

START_SECONDS = 30
DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
# No proxy of the environment stands between loopback and loopback.
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


class Orthanc:
    """A running Orthanc. Its modality `port104` is whatever listens on the port given at start."""

    def __init__(self, port):
        self._url = f"http://127.0.0.1:{port}"
        self.dicomweb = f"{self._url}/dicom-web"
        """Where its plug-in serves, if it has it."""

    def is_up(self):
        with contextlib.suppress(OSError):
            self._call("/system")
            return True
        return False

    def upload(self, content):
        """Give Orthanc a file, in place of one with the same identity; returns its ID.

        None: Orthanc refuses the file.
        """
        try:
            return self._call("/instances", content)["ID"]
        except urllib.error.HTTPError as refused:
            assert refused.code in (400, 404), refused
            return None

    def instances(self):
        """SOP instance UIDs of what it holds."""
        held = self._call("/instances?expand")
        return {one["MainDicomTags"]["SOPInstanceUID"] for one in held}

    def send(self, identifiers):
        """Send instances in one association, past those that are refused; returns when all were."""
        order = {"Resources": identifiers, "Permissive": True, "Synchronous": True}
        self._call("/modalities/port104/store", json.dumps(order).encode())

    def _call(self, path, body=None):
        with _open(self._url + path, body, timeout=120) as answer:
            return json.load(answer)


@contextlib.contextmanager
def orthanc(folder, destination_port, dicom_port=None, *, dicomweb=False):
    """Start Orthanc with `folder` for its files; stop it at the end. `dicom_port`: on which it receives.

    `dicomweb`: with that plug-in.
    """
    program = find_peer("Orthanc")
    if dicomweb and not DICOMWEB.exists():
        lacking("orthanc-dicomweb is not installed: make peers")
    http_port = free_port()
    settings = {
        "StorageDirectory": str(folder / "files"),
        "IndexDirectory": str(folder / "files"),
        "HttpPort": http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomServerEnabled": dicom_port is not None,
        "DicomPort": dicom_port or 4242,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowEcho": True,
        "OverwriteInstances": True,
        "DicomAet": "ORTHANC",
        "DicomModalities": {"port104": ["PORT104", "127.0.0.1", destination_port]},
        "Plugins": [str(DICOMWEB)] if dicomweb else [],
        "DicomWeb": {"Enable": dicomweb, "Root": "/dicom-web/"},
    }
    config = folder / "orthanc.json"
    config.write_text(json.dumps(settings))
    log = folder / "orthanc.log"
    with log.open("w") as output:
        process = subprocess.Popen([program, str(config)], stdout=output, stderr=subprocess.STDOUT)
    try:
        started = Orthanc(http_port)
        deadline = time.monotonic() + START_SECONDS
        while not started.is_up():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        yield started
    finally:
        process.terminate()
        process.wait(30)
