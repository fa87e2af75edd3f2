"""A container without an engine for it: this machine's root for an image, in namespaces of its own; as root.

What is written into the root goes with the container; what is mounted is all that stays. The process is
process 1, as the user that its pod names, without capabilities, in the network of this machine.
"""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import psutil

from image.pod import Pod

# What an image would have: the project with its environment, and the Python that this was made of.
_IMAGE = (Path(__file__).parents[2], Path(sys.base_prefix))
_KILLED_WITH_ITS_PARENT = ("--pdeathsig", "KILL")
# A folder on the way to the image may be closed to others (/root); in the container's root it is not.
_BEGIN = """
mount --make-rprivate /
mount -t tmpfs tmpfs "$AT"
mkdir "$AT/upper" "$AT/work" "$AT/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$AT/upper,workdir=$AT/work" "$AT/root"
mount --rbind /dev "$AT/root/dev"
mount -t proc proc "$AT/root/proc"
printf '%s' "$MOUNTS" | while read -r source target mode; do
    target=$(chroot "$AT/root" realpath -m "$target")  # as it is there: /var/run leads to /run
    mkdir -p "$AT/root${target%/*}"
    if [ -d "$source" ]; then mkdir -p "$AT/root$target"; else : > "$AT/root$target"; fi
    mount --bind "$source" "$AT/root$target"
    [ "$mode" = rw ] || mount -o remount,bind,ro "$AT/root$target"
done
for folder in $OPENED; do mkdir -p "$AT/root$folder"; chmod a+x "$AT/root$folder"; done
for folder in $IMAGE; do
    mkdir -p "$AT/root$folder"
    mount --rbind "$folder" "$AT/root$folder"
done
[ "$READ_ONLY" = no ] || mount -o remount,bind,ro "$AT/root"
exec "$@"
"""


def start(words, *, folder, mounts, user, group, environment, working_folder="/", read_only=False):
    """Start a container; returns it.

    `folder`: is made, for its log and root; `mounts`: (from, to, rw or ro).
    """
    folder.mkdir()
    (folder / "root").mkdir()
    opened = sorted({parent for each in _IMAGE for parent in each.parents} - {Path("/")})
    given = {
        "AT": folder / "root",
        "MOUNTS": "".join(f"{source} {target} {mode}\n" for source, target, mode in mounts),
        "IMAGE": " ".join(map(str, _IMAGE)),
        "OPENED": " ".join(map(str, opened)),
        "READ_ONLY": "yes" if read_only else "no",
        "PATH": os.environ["PATH"],
    }
    who = [f"--reuid={user}", f"--regid={group}", "--clear-groups"]
    nothing = ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
    setpriv = ["/usr/bin/setpriv", *_KILLED_WITH_ITS_PARENT, *who, *nothing]
    path = f"{Path(sys.prefix, 'bin')}:{os.environ['PATH']}"
    variables = [f"{name}={value}" for name, value in {"PATH": path, **environment}.items()]
    within = ["chroot", str(folder / "root" / "root"), *setpriv]
    within += ["env", "-i", f"--chdir={working_folder}", *variables]
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    begin = ["setpriv", *_KILLED_WITH_ITS_PARENT, *unshare, "sh", "-eu", "-c", _BEGIN, "sh"]
    log = folder / "log"
    with log.open("w") as written:
        process = subprocess.Popen(
            [*begin, *within, *words],
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            env={name: str(value) for name, value in given.items()},
        )
    return Container(process, within, log)


class Container(Pod):
    """A running container."""

    @property
    def log_path(self):
        return self._log

    @property
    def exit_code(self):
        """As a container runtime says it; None: it runs."""
        code = self._process.poll()
        return 128 - code if code is not None and code < 0 else code

    def terminate(self):
        """SIGTERM for its process 1."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for each in psutil.Process(self._process.pid).children():
                each.terminate()

    def kill(self):
        """End all of it, and wait until it is gone."""
        self._process.kill()
        self._process.wait()
