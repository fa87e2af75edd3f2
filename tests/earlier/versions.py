"""Earlier versions of port104, made from this repository's own history.

A version is told by the schema version of its ledger, which each commit states: no hash is written down here.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from lacking import lacking
from port104.jobs.ledger.tables import SCHEMA

ROOT = Path(__file__).parents[2]
NEWEST = len(SCHEMA.migrations)
_TABLES = "engine/port104/jobs/ledger/tables.py"
# What the native module is compiled of; the packages that it runs with are those of this environment.
_SOURCES = ("engine", "native", "setup.py", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in")


def environment_of(schema_version):
    """What a process runs with to be the last port104 of a schema version, which is compiled unless it was.

    Where the history is not at hand the test is skipped, in CI too: a shallow clone has none.
    """
    if _git("rev-parse", "--is-shallow-repository") != "false":
        pytest.skip("a shallow clone has no earlier versions: git fetch --unshallow")
    commit = _last_of(schema_version)
    folder = ROOT / "build" / "earlier" / commit
    if not (folder / "built").exists():
        _build(commit, folder)
    return {"PYTHONPATH": str(folder / "engine")}


def _git(*words):
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        lacking(f"no history of earlier versions: {done.stderr.strip()}")
    return done.stdout.strip()


def _last_of(schema_version):
    """The commit before the first one whose ledger has a further migration."""
    touching = _git("log", "--reverse", "--format=%H", "--", _TABLES).split()
    later = next(commit for commit in touching if _schema_version(commit) > schema_version)
    return _git("rev-parse", f"{later}^")


def _schema_version(commit):
    """How many migrations a commit has."""
    room = {}
    exec(compile(_git("show", f"{commit}:{_TABLES}"), f"{commit}:{_TABLES}", "exec"), room)
    return len(room["SCHEMA"].migrations)


def _build(commit, folder):
    folder.mkdir(parents=True, exist_ok=True)
    archive = ["git", "archive", commit, "--", *_SOURCES]
    packed = subprocess.run(archive, cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", folder], input=packed, check=True)
    build = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]
    done = subprocess.run(build, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "built").touch()
