"""A run, and the folder of its attempt."""

import pytest
import trio

from runs import run_of


@pytest.fixture
def run():
    return run_of()


@pytest.fixture
def folder(tmp_path, run):
    folder = tmp_path / "runs" / run.id / "1"
    (folder / "dcm").mkdir(parents=True)
    (folder / "output").mkdir()
    (folder / "dcm" / "1.2.3.dcm").write_bytes(b"an instance")
    (folder / "manifest.json").write_text('{"version": 1, "instances": [{"file": "dcm/1.2.3.dcm"}]}')
    return folder


@pytest.fixture
def cancel():
    return trio.Event()
