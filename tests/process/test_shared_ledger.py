"""Two whole engines with one ledger in PostgreSQL: what both receive of a study is one job."""

import json
import os
import signal
import sys

import pytest

from engine_process import engine
from sender import send_images

pytestmark = pytest.mark.peer

COPY = "import os, shutil; shutil.copytree(os.environ['PORT104_INPUT'], 'output', dirs_exist_ok=True)"
UIDS = [f"1.2.3.{number}" for number in range(40)]


@pytest.fixture
def settings(postgres):
    local_ae = {"aeTitle": "PORT104", "processorSettings": {"timeout": 2, "pipeline-copy": "c0"}}
    return {
        "scp": {"aeTitles": [local_ae]},
        "pipelines": [{"name": "copy", "id": "c0", "command": [sys.executable, "-c", COPY]}],
        "registry": {"url": postgres.new_url()},
        "log": {"format": "json"},
    }


def send(server, uids):
    send_images(server.port, uids)


def test_a_study_that_two_engines_receive_is_one_job(tmp_path, settings, rows):
    with engine(tmp_path / "a", **settings) as one, engine(tmp_path / "b", **settings) as other:
        for first in range(0, len(UIDS), 10):
            send(one, UIDS[first : first + 5])
            send(other, UIDS[first + 5 : first + 10])
        one.wait_for(lambda: rows("SELECT state FROM port104_run") == [("succeeded",)], 30)
        assert rows("SELECT state, instances FROM port104_group") == [("closed", len(UIDS))]
        assert rows("SELECT node, COUNT(*) FROM port104_instance GROUP BY node ORDER BY node") == sorted(
            ((server.folder / "node").read_text().strip(), len(UIDS) // 2) for server in (one, other)
        )
        ((run, node, attempt),) = rows("SELECT id, node, attempt FROM port104_run")
        assert attempt == 1
        at, away = (one, other) if (one.folder / "node").read_text().strip() == node else (other, one)
        payload = at.folder / "runs" / run / "1"
        listed = json.loads((payload / "manifest.json").read_bytes())["instances"]
        assert sorted(each["sopInstanceUid"] for each in listed) == sorted(UIDS)
        stored = {path.stat().st_ino for server in (one, other) for path in server.stored_files()}
        assert {path.stat().st_ino for path in (payload / "dcm").iterdir()} == stored
        assert not (away.folder / "runs").exists()
        results = rows("SELECT sop_instance FROM port104_result ORDER BY sop_instance")
        assert results == [(uid,) for uid in sorted(UIDS)]
        assert (one.terminate(), other.terminate()) == (0, 0)


SLOW = ("sh", "-c", 'test "$PORT104_ATTEMPT" = 2 || exec sleep 60; cp dcm/* output/')


def test_the_run_of_an_engine_that_is_gone_is_begun_anew(tmp_path, settings, rows):
    settings["pipelines"][0] |= {"command": SLOW, "timeLimit": 1000}
    with engine(tmp_path / "a", **settings) as lost:
        send(lost, UIDS[:5])
        lost.wait_for(lambda: any(path.read_text() for path in lost.folder.glob("runs/*/1/lock")), 30)
        lost.kill()
    (lock,) = lost.folder.glob("runs/*/1/lock")
    os.kill(int(lock.read_text()), signal.SIGKILL)  # the supervisor, as if the machine were gone
    # So long ago: its patience and the time limit.
    assert rows("UPDATE port104_node SET heard = heard - 1400 RETURNING patience") == [(300,)]
    with engine(tmp_path / "b", **settings) as other:
        other.wait_for(lambda: rows("SELECT state, attempt FROM port104_run") == [("succeeded", 2)], 30)
        assert rows("SELECT COUNT(*) FROM port104_result") == [(5,)]
        assert "run taken over" in [entry["event"] for entry in other.log_entries()]
        assert other.terminate() == 0


def test_what_a_frozen_engine_brings_to_an_end_after_all_does_not_count(tmp_path, settings, rows):
    thaws = tmp_path / "thaws"
    wait = f'test "$PORT104_ATTEMPT" = 2 || while ! test -e {thaws}; do sleep 0.1; done; cp dcm/* output/'
    settings["pipelines"][0] |= {"command": ("sh", "-c", wait), "timeLimit": 1000}
    with engine(tmp_path / "a", **settings) as frozen:
        send(frozen, UIDS[:5])
        frozen.wait_for(lambda: any(path.read_text() for path in frozen.folder.glob("runs/*/1/lock")), 30)
        frozen.process.send_signal(signal.SIGSTOP)
        assert rows("UPDATE port104_node SET heard = heard - 1400 RETURNING patience") == [(300,)]
        with engine(tmp_path / "b", **settings) as other:
            other.wait_for(lambda: rows("SELECT state, attempt FROM port104_run") == [("succeeded", 2)], 30)
            frozen.process.send_signal(signal.SIGCONT)
            thaws.touch()
            frozen.wait_for(lambda: "run ended too late" in frozen.log.read_text(), 30)
            assert rows("SELECT state, attempt, COUNT(*) FROM port104_run GROUP BY state, attempt") == [
                ("succeeded", 2, 1)
            ]
            ((_, files),) = rows("SELECT node, COUNT(*) FROM port104_result GROUP BY node")
            assert files == 5
            assert (frozen.terminate(), other.terminate()) == (0, 0)
