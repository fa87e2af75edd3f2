"""The foreign DICOM programs that tests talk to: DCMTK and Orthanc, from Debian's packages."""

import os
import shutil
import subprocess

from lacking import lacking

SECONDS = 120


def find_peer(program):
    """The program's path. Without it the test is skipped; in CI (environment variable CI) it fails."""
    # Debian installs daemons where only root's PATH looks.
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        lacking(f"{program} is not installed: make peers")
    return path


def run_peer(program, *arguments):
    """Run the program to its end; returns its exit code and all that it said."""
    done = subprocess.run(
        [find_peer(program), *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=SECONDS,
        check=False,
    )
    return done.returncode, done.stdout.decode("utf-8", "replace")
