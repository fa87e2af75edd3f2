"""This port104 after and beside earlier ones: nothing is lost, nothing is run twice.

What compiles earlier versions from the repository's history is `make upgrade-check`; the rest begins with
ledgers that they left (tests/earlier).
"""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from earlier.ledgers import FAILS, LATE, SENDS, VERSIONS, script
from earlier.versions import NEWEST, environment_of
from engine_process import engine, own_environment
from part10_files import data_set, file_meta
from receiving import Receiver
from sender import send_images

pytestmark = pytest.mark.timeout(180)

INSTANCES = 4
STEPS = 2  # how many schema versions the earlier one is behind


@pytest.fixture
def put(tmp_path):
    """A pipeline that is a folder, with a folder for each run: settings, and what came of which study."""
    folder = tmp_path / "put"
    folder.mkdir()
    return (
        {"name": "put", "id": "c0", "folder": str(folder), "concurrency": 4},
        lambda: sorted(
            (next(run.glob("dcm/*")).name.rsplit(".", 2)[0], len(list(run.glob("dcm/*"))))
            for run in folder.glob("[!.]*")  # those that are whole
        ),
    )


def restore(folder, version):
    """A storage folder as it was: the ledger, and the files that it knows."""
    folder.mkdir()
    with closing(sqlite3.connect(folder / "ledger.sqlite3")) as connection:
        connection.executescript(script(version))
        ((node,),) = connection.execute("SELECT node FROM port104_node")
        (folder / "node").write_text(node)
        instances = connection.execute("SELECT file, written, sop_instance FROM port104_instance").fetchall()
        results = connection.execute("SELECT file, 0, sop_instance FROM port104_result").fetchall()
    for file, written, uid in [*((f"instances/{one}", *facts) for one, *facts in instances), *results]:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file_meta(instance=uid) + data_set(uid))
        os.utime(path, ns=(written, written))


@pytest.mark.parametrize("version", [VERSIONS[0], VERSIONS[-1]])
def test_a_ledger_of_an_earlier_version_goes_on_where_it_was(tmp_path, put, version):
    """The study that was done is not run again, its results arrive; the others are run, once each."""
    pipeline, studies_run = put
    timeouts = {"timeout": 20, "jobRetryDelay": 1000, "pipeline-put": "c0"}
    restore(tmp_path / "payloads", version)
    with Receiver() as pacs:
        settings = {
            "scp": {
                "aeTitles": [
                    {"aeTitle": name, "processorSettings": timeouts} for name in (SENDS, FAILS, LATE)
                ]
            },
            "scu": {
                "destinations": [
                    {"name": "PACS", "aeTitle": "PACS", "hostIp": "127.0.0.1", "port": pacs.port}
                ]
            },
            "pipelines": [pipeline, pipeline | {"name": "fail", "id": "c1"}],
            "log": {"format": "json"},
        }
        with engine(tmp_path / "payloads", **settings) as server:
            server.wait_for(lambda: len(studies_run()) >= 2, 20)
            server.wait_for(lambda: len(pacs.stored) == 2, 20)
            server.wait_for(lambda: server.command("jobs", "list").count("\tsucceeded\t") == 3, 20)
            assert server.terminate() == 0
    assert studies_run() == [("1.2", 2), ("1.3", 2)]
    assert pacs.stored == {"1.1.1": 1, "1.1.2": 1}


@pytest.fixture(scope="module")
def before():
    """The environment of an earlier port104."""
    if not {"CI", "PORT104_UPGRADE"} & os.environ.keys():
        pytest.skip("compiles an earlier version: make upgrade-check")
    return environment_of(NEWEST - STEPS)


@pytest.fixture
def settings(put):
    pipeline, _ = put
    local_ae = {"aeTitle": "PORT104", "processorSettings": {"timeout": 2, "pipeline-put": "c0"}}
    return {"scp": {"aeTitles": [local_ae]}, "pipelines": [pipeline], "log": {"format": "json"}}


@pytest.fixture
def shared(settings, postgres):
    settings["registry"] = {"url": postgres.new_url()}
    return settings


def send(server, study, numbers=range(INSTANCES)):
    send_images(server.port, [f"{study}.{number}" for number in numbers], study=study)


def assert_refused(folder, environment):
    """It does not start on the configuration of an engine that ran, and says why."""
    config = folder.with_name(folder.name + ".json")
    done = subprocess.run(
        [sys.executable, "-m", "port104", "start", "-f", str(config)],
        capture_output=True,
        text=True,
        env=own_environment() | environment,
        check=False,
        timeout=60,
    )
    assert done.returncode != 0
    assert f"has schema version {NEWEST}, and this port104 knows {NEWEST - STEPS} at the most" in done.stderr
    assert "start the later version of port104 that made it" in done.stderr


@pytest.mark.slow
@pytest.mark.peer
def test_engines_of_two_versions_share_the_work(tmp_path, put, shared, rows, before):
    _, studies_run = put
    with engine(tmp_path / "a", env=before, **shared) as earlier:
        send(earlier, "1.0")
        earlier.wait_for(lambda: len(studies_run()) == 1, 20)
        with engine(tmp_path / "b", **shared) as later:
            assert rows("SELECT version FROM port104_ledger") == [(NEWEST,)]
            studies = [f"1.{number}" for number in range(1, 9)]
            for study in studies:
                send(earlier, study, range(2))
                send(later, study, range(2, INSTANCES))
            done = "SELECT COUNT(*) FROM port104_run WHERE state = 'succeeded'"
            later.wait_for(lambda: rows(done) == [(1 + len(studies),)], 30)
            assert earlier.terminate() == 0
            assert_refused(earlier.folder, before)
            assert later.terminate() == 0
    assert studies_run() == [(study, INSTANCES) for study in ("1.0", *studies)]
    assert rows("SELECT state, attempt, COUNT(*) FROM port104_run GROUP BY state, attempt") == [
        ("succeeded", 1, 1 + len(studies))
    ]


@pytest.mark.slow
def test_a_later_version_takes_the_place_of_one_engine(tmp_path, put, settings, before):
    _, studies_run = put
    with engine(tmp_path / "a", env=before, **settings) as earlier:
        send(earlier, "1.1")
        earlier.wait_for(lambda: len(studies_run()) == 1, 20)
        earlier.command("create", "src", "-a", "CT1", "-i", "10.0.0.5")
        send(earlier, "1.2")
        assert earlier.terminate() == 0
    with engine(tmp_path / "a", **settings) as later:
        later.wait_for(lambda: len(studies_run()) >= 2, 20)
        assert "CT1" in later.command("list", "src")
        assert later.terminate() == 0
    assert studies_run() == [("1.1", INSTANCES), ("1.2", INSTANCES)]
    assert_refused(tmp_path / "a", before)
