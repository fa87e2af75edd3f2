"""From instances to results in a running server: a study is a job, and its pipelines run once."""

import json
import sqlite3
import sys
from contextlib import closing

import pytest

from engine_process import engine
from sender import image, send_images
from stored_file import put

# Counts its starts in a file of its own, waits for a word where it is told to, and sends on what came.
SCRIPT = """
import os, pathlib, shutil, sys, time
home = pathlib.Path(sys.argv[1])
with (home / "starts").open("a") as starts:
    starts.write(os.environ["PORT104_ATTEMPT"] + "\\n")
while not (home / "go").exists():
    time.sleep(0.01)
for file in pathlib.Path(os.environ["PORT104_INPUT"]).iterdir():
    shutil.copy(file, os.environ["PORT104_OUTPUT"])
"""


@pytest.fixture
def home(tmp_path):
    """Where the pipeline keeps its own files."""
    made = tmp_path / "home"
    made.mkdir()
    (tmp_path / "script.py").write_text(SCRIPT)
    return made


@pytest.fixture
def settings(tmp_path, home):
    pipeline = {
        "name": "copy",
        "id": "c0",
        "command": [sys.executable, str(tmp_path / "script.py"), str(home)],
        "destinations": ["PACS"],
    }
    local_ae = {"aeTitle": "PORT104", "processorSettings": {"timeout": 1, "pipeline-copy": "c0"}}
    return {
        "scp": {"aeTitles": [local_ae]},
        "pipelines": [pipeline],
        "log": {"format": "json"},
        "api": {"port": None},
    }


def send(server, *numbers):
    send_images(server.port, [f"1.2.3.{number}" for number in numbers])


def rows(server, sql):
    with closing(sqlite3.connect(f"file:{server.folder}/ledger.sqlite3?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def ended(server):
    return [state for (state,) in rows(server, "SELECT state FROM port104_run")] == ["succeeded"]


def test_a_study_becomes_results(tmp_path, home, settings):
    (home / "go").touch()
    with engine(tmp_path / "storage", **settings) as server:
        send(server, 1, 2)
        send(server, 3)
        server.wait_for(lambda: ended(server), 30)
        (manifest,) = (server.folder / "runs").glob("*/1/manifest.json")
        assert len(json.loads(manifest.read_bytes())["instances"]) == 3
        results = rows(server, "SELECT sop_instance, destination, state FROM port104_result ORDER BY 1")
        assert results == [(f"1.2.3.{number}", "PACS", "waiting") for number in (1, 2, 3)]
        assert (home / "starts").read_text() == "1\n"
        assert server.terminate() == 0


def test_a_result_is_registered_by_hand(tmp_path, home, settings):
    (home / "go").touch()
    report = put(tmp_path / "elsewhere", "1.2.3.7", data_set=image("1.2.3.7", bytes(10**7)))
    with engine(tmp_path / "storage", **settings) as server:
        send(server, 1)
        server.wait_for(lambda: ended(server), 30)
        ((job,),) = rows(server, "SELECT id FROM port104_job")
        registered = server.command("results", "register", job, report)
        assert server.command("results", "register", job, report, "--upload") == registered
        assert len(server.command("results", "list", job).splitlines()) == 2
        file = registered.split("\t")[1]
        assert (server.folder / file).read_bytes() == report.read_bytes()
        assert server.terminate() == 0


def test_after_kills_every_instance_is_in_one_group_and_the_pipeline_ran_once(tmp_path, home, settings):
    with engine(tmp_path / "storage", **settings) as server:
        send(server, 1, 2)
        server.kill()  # perhaps before the ledger knows of them
    with engine(tmp_path / "storage", **settings) as server:
        server.wait_for((home / "starts").exists, 30)
        server.kill()  # while the pipeline runs, which goes on
    (home / "go").touch()
    with engine(tmp_path / "storage", **settings) as server:
        server.wait_for(lambda: ended(server), 30)
        assert rows(server, "SELECT COUNT(*) FROM port104_instance") == [(2,)]
        assert rows(server, "SELECT state, instances FROM port104_group") == [("closed", 2)]
        assert rows(server, "SELECT COUNT(*) FROM port104_result") == [(2,)]
    assert (home / "starts").read_text() == "1\n"
