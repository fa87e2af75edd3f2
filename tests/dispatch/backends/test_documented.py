"""What docs/pipelines.md shows works as it stands there."""

import os
import re
import sys
import time
from pathlib import Path

import pytest
import trio

from port104.dispatch.backends.backend import Ending
from port104.dispatch.backends.command import CommandBackend
from port104.dispatch.backends.webhook import prepared
from port104.registry.entries import Pipeline
from stored_file import put

PAGE = (Path(__file__).parents[3] / "docs" / "pipelines.md").read_text()
SHELL, PYTHON, CHECK = (text for _, text in re.findall(r"```(sh|python)\n(.*?)```", PAGE, re.DOTALL))
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


@pytest.mark.parametrize(
    ("text", "environment"), [(SHELL, {}), (PYTHON, {"PATH": str(Path(sys.executable).parent)})]
)
async def test_pipeline(run, folder, cancel, tmp_path, text, environment):
    stored = put(tmp_path, "1.2.3")
    (folder / "dcm" / "1.2.3.dcm").unlink()
    (folder / "dcm" / "1.2.3.dcm").hardlink_to(stored)
    before = stored.read_bytes()
    script = tmp_path / "pipeline"
    script.write_text(text)
    script.chmod(0o755)
    if environment:
        environment["PATH"] += os.pathsep + os.environ["PATH"]
    pipeline = Pipeline(name="covid", id="p-1", command=(str(script),), environment=environment)
    with trio.fail_after(20):
        ending = await CommandBackend().run(run, pipeline, folder, cancel)
    assert ending == Ending("succeeded"), (folder / "log").read_text()
    (result,) = (folder / "output").iterdir()
    assert result.read_bytes()[128:132] == b"DICM"
    assert stored.read_bytes() == before


def test_signature(run, folder, tmp_path):
    (tmp_path / "secret").write_text(SECRET)
    pipeline = Pipeline(
        name="covid", id="p-1", webhook="http://host/", webhook_secret_file=str(tmp_path / "secret")
    )
    names = {}
    exec(CHECK, names)
    now = prepared(run, pipeline, folder, time.time())
    assert names["is_genuine"](SECRET, dict(now.headers), now.body)
    assert not names["is_genuine"](SECRET, dict(now.headers), now.body + b" ")
    long_ago = prepared(run, pipeline, folder, time.time() - 600)
    assert not names["is_genuine"](SECRET, dict(long_ago.headers), long_ago.body)
