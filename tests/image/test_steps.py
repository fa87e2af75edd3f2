"""The steps of the Dockerfile, carried out in a Debian that debootstrap makes: what comes of them works.

It needs root, debootstrap and packages from Debian and PyPI, and takes minutes: `make image-check`.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from image.dockerfile import build


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The last stage, with what a runtime mounts."""
    if os.environ.get("PORT104_IMAGE_STEPS") is None:
        pytest.skip("takes minutes: make image-check")
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        pytest.fail("root and debootstrap are needed")
    # Not in /dev/shm nor /tmp where these forbid devices or programs.
    folder = Path("/var/tmp") / f"port104-image-{os.getpid()}"
    folder.mkdir()
    try:
        base = folder / "base"
        subprocess.run(["debootstrap", "--variant=minbase", "trixie", base], check=True)
        yield build(base, folder)
    finally:
        shutil.rmtree(folder)


def run(image, *words):
    return subprocess.run(image.command([*words]), capture_output=True, text=True, check=False, timeout=30)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_image_has_what_runs_and_nothing_that_builds(image):
    assert run(image, "port104", "--version").stdout.startswith("port104, version ")
    assert run(image, "/opt/port104/bin/python", "-c", "import psycopg; psycopg.pq.version()").returncode == 0
    for tool in ("gcc", "pip", "/opt/port104/bin/pip"):
        assert run(image, "which", tool).returncode != 0, tool


@pytest.mark.slow
def test_its_user_may_write_to_the_payloads_alone(image):
    found = run(image, "find", "/", "-xdev", "-writable", "-not", "-type", "l", "-not", "-path", "/proc/*")
    kept = ("/payloads", "/tmp", "/var/tmp", "/dev", "/run/lock", "/proc")
    assert [path for path in found.stdout.split() if not path.startswith(kept)] == []
