"""What the image has, run as the chart has Kubernetes run it, with namespaces of its own and no Kubernetes.

The container's process is process 1, as the chart's user and group, without capabilities or a way to get any.
The root file system is read-only, the volume belongs to the chart's group, and the chart's sysctls hold.
"""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from chart.rendered import Rendered
from image.dockerfile import Stage

_FORK_SECONDS = 10
_END_SECONDS = 10
# Who runs the tests may be killed. The kernel forgets what unshare asks for once the user changes.
_KILLED_WITH_ITS_PARENT = ("--pdeathsig", "KILL")
_MOUNTS = ("payloads", "etc/port104", "run/secrets/port104", "tmp", "proc", "dev")
# Mounts are the new namespace's alone, and gone with it.
_BEGIN = """
mount --make-rprivate /
mount --bind "$ROOT" "$ROOT"
mount -o remount,bind,ro "$ROOT"
mount --bind "$FOLDER/payloads" "$ROOT/payloads"
mount --bind "$FOLDER/config" "$ROOT/etc/port104"
mount -o remount,bind,ro "$ROOT/etc/port104"
mount --bind "$FOLDER/secrets" "$ROOT/run/secrets/port104"
mount -t tmpfs tmpfs "$ROOT/tmp"
mount --rbind /dev "$ROOT/dev"
mount -t proc proc "$ROOT/proc"
ip link set lo up
for setting in $SYSCTLS; do echo "${setting#*=}" > "/proc/sys/$(echo "${setting%%=*}" | tr . /)"; done
exec "$@"
"""


class Pod:
    """A running container. `folder`: what is mounted into it, of which `payloads` outlives it."""

    def __init__(self, process: subprocess.Popen[str], within: list[str], log: Path) -> None:
        self._process = process
        self._within = within
        self._log = log

    @property
    def first(self) -> psutil.Process:
        """Process 1, as it is seen from outside."""
        deadline = time.monotonic() + _FORK_SECONDS
        while not (found := psutil.Process(self._process.pid).children()):
            assert time.monotonic() < deadline, self.log
            time.sleep(0.01)
        return found[0]

    @property
    def log(self) -> str:
        return self._log.read_text()

    def runs(self) -> bool:
        return self._process.poll() is None

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it, as a probe and `kubectl exec` do."""
        entered = ["nsenter", f"--target={self.first.pid}", "--net", "--mount", "--pid", *self._within]
        return subprocess.run(
            [*entered, *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
            stdin=subprocess.DEVNULL,
        )

    def stop(self, seconds: float) -> int:
        """Tell process 1 to end; its exit code."""
        self.first.terminate()
        return self.wait(seconds)

    def wait(self, seconds: float) -> int:
        """Wait for process 1 to end by itself; its exit code."""
        return self._process.wait(seconds)


def prepare(folder: Path, group: int) -> None:
    """Make the volume as Kubernetes hands over a new one, with what is in every file system."""
    (folder / "secrets").mkdir(parents=True)
    payloads = folder / "payloads"
    payloads.mkdir()
    (payloads / "lost+found").mkdir(mode=0o700)
    shutil.chown(payloads, group=group)
    payloads.chmod(0o2775)


def mount_secret(folder: Path, name: str, files: dict[str, bytes], group: int) -> None:
    """Make the files of a Secret as the chart has them mounted: root's, and readable for its group."""
    (folder / "secrets" / name).mkdir()
    for file, content in files.items():
        path = folder / "secrets" / name / file
        path.write_bytes(content)
        shutil.chown(path, group=group)
        path.chmod(0o440)


@contextmanager
def started(image: Stage, rendered: Rendered, folder: Path) -> Iterator[Pod]:
    """Run the container of a rendered chart."""
    for name in _MOUNTS:
        (image.root / name).mkdir(parents=True, exist_ok=True)
    config, log = folder / "config", folder / "log"
    config.mkdir(exist_ok=True)
    (config / "appsettings.json").write_text(rendered.configuration)
    within = _within(image, rendered)
    sysctls = (f"{each['name']}={each['value']}" for each in rendered.pod["securityContext"]["sysctls"])
    given = {"ROOT": str(image.root), "FOLDER": str(folder), "SYSCTLS": " ".join(sysctls)}
    unshare = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child"]
    begin = ["setpriv", *_KILLED_WITH_ITS_PARENT, *unshare, "env", *_pairs(given)]
    command = [*begin, "sh", "-eu", "-c", _BEGIN, "sh", *within, "port104", *rendered.container["args"]]
    with log.open("w") as written, subprocess.Popen(command, stderr=written, text=True) as process:
        try:
            yield Pod(process, within, log)
        finally:
            if process.poll() is None:
                ends = psutil.Process(process.pid).children()
                process.kill()
                psutil.wait_procs(ends, timeout=_END_SECONDS)


def _within(image: Stage, rendered: Rendered) -> list[str]:
    """What stands before a command for it to be the container's."""
    pod: dict[str, Any] = rendered.pod["securityContext"]
    who = [f"--reuid={pod['runAsUser']}", f"--regid={pod['runAsGroup']}", f"--groups={pod['fsGroup']}"]
    nothing = ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
    environment = _pairs(image.environment | {"HOME": "/payloads"} | rendered.environment)
    setpriv = ["/usr/bin/setpriv", *_KILLED_WITH_ITS_PARENT, *who, *nothing]
    return ["chroot", str(image.root), *setpriv, "env", "-i", f"--chdir={image.folder}", *environment]


def _pairs(variables: dict[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in variables.items()]
