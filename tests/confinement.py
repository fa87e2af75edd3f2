"""Runs the server as sites do that trust it least; a script, for root in fresh namespaces:

    unshare --net --mount --propagation private python confinement.py VOLUME CONFIG

It makes everything but VOLUME read-only, starts the server as another user who has no capability but
NET_BIND_SERVICE, stores an instance through port 104 and prints what it saw as JSON.
"""

import contextlib
import errno
import fcntl
import json
import os
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sender import Sender, image

USER = 54321
PORT = 104
START_SECONDS = 20
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1  # netdevice(7)
_NOT_FILES = ("proc", "sysfs", "devpts", "devtmpfs", "cgroup", "cgroup2", "mqueue")


def bring_loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH22x", b"lo", 0)
        flags = struct.unpack("16xH22x", fcntl.ioctl(control, _SIOCGIFFLAGS, request))[0]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | _IFF_UP))


def mount(*arguments):
    subprocess.run(["mount", *map(str, arguments)], check=True)


def open_the_way_to(needed):
    """Where a folder on the way is closed to others (/root), put an open one that holds only `needed`."""
    for folder in reversed(needed.parents):
        if folder.stat().st_mode & stat.S_IXOTH:
            continue
        aside = Path(tempfile.mkdtemp())
        mount("--bind", needed, aside)
        mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
        needed.mkdir(parents=True)
        mount("--move", aside, needed)
        aside.rmdir()
        return


def make_read_only(volume):
    mount("--bind", volume, volume)
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, target, kind, options = line.split()[:4]
        if kind not in _NOT_FILES and Path(target) != volume and "rw" in options.split(","):
            mount("-o", "remount,bind,ro", target)


def writable(folder):
    try:
        (folder / ".probe").touch()
    except OSError as failure:
        assert failure.errno == errno.EROFS, failure
        return False
    (folder / ".probe").unlink()
    return True


def wait_until_listening(process):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", PORT), 1):
            return
        time.sleep(0.01)
    raise SystemExit("the server does not listen")


def main(volume, config):
    bring_loopback_up()
    for needed in (Path(sys.base_prefix).resolve(), Path(__file__).resolve().parents[1]):
        open_the_way_to(needed)
    make_read_only(volume)
    places = [Path.home(), Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"), Path(__file__).parent]
    identity = [f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs"]
    capability = "-all,+net_bind_service"
    capabilities = [f"--{which}={capability}" for which in ("inh-caps", "ambient-caps", "bounding-set")]
    process = subprocess.Popen(
        ["setpriv", *identity, *capabilities, sys.executable, "-m", "port104", "start", "-f", str(config)],
        env={"PATH": os.environ["PATH"]},
    )
    wait_until_listening(process)
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
    )
    with Sender(PORT) as sender:
        answer = sender.store("1.2.1", image("1.2.1", b"pixels"))
        sender.release()
    process.terminate()
    seen = {
        "writable": [str(place) for place in places if place.is_dir() and writable(place)],
        "user": status["Uid"].split(),
        "capabilities": int(status["CapEff"], 16),
        "bounding": int(status["CapBnd"], 16),
        "status": answer,
        "exit": process.wait(30),
    }
    print(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
