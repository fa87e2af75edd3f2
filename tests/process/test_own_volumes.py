"""Replicas with a volume each at one path, as a StatefulSet gives them: none sees what the others have."""

import contextlib
import os
import shutil
import subprocess
import sys

import pytest

from engine_process import engine, own_environment
from lacking import lacking
from receiving import Receiver
from sender import send_images

pytestmark = [pytest.mark.peer, pytest.mark.timeout(120)]

NAMESPACE = ("unshare", "--mount", "--propagation", "private")
# The first word after it is the volume, the second where it is mounted, and the rest what is run then.
MOUNTED = ("sh", "-c", 'mount --bind "$0" "$1" && shift && exec "$@"')
STUDIES, INSTANCES = 12, 3


@pytest.fixture
def receiver():
    with Receiver() as made:
        yield made


@pytest.fixture
def settings(tmp_path, postgres, receiver):
    place = tmp_path / "payloads"
    place.mkdir()
    local_ae = {"aeTitle": "PORT104", "processorSettings": {"timeout": 1, "pipeline-copy": "c0"}}
    pipeline = {"name": "copy", "id": "c0", "command": ["sh", "-c", "cp dcm/* output/"], "concurrency": 8}
    pacs = {"name": "PACS", "aeTitle": "PACS", "hostIp": "127.0.0.1", "port": receiver.port}
    return {
        "scp": {"aeTitles": [local_ae]},
        "scu": {"destinations": [pacs]},
        "storage": {"temporary": str(place)},
        "pipelines": [pipeline | {"destinations": ["PACS"], "retries": 0}],
        "registry": {"url": postgres.new_url()},
        "log": {"format": "json"},
    }


@pytest.fixture
def replicas(tmp_path, settings):
    """Two engines, whose volumes are mounted at the same path of namespaces of their own."""
    if os.geteuid() != 0:
        lacking("only root may mount a volume")
    tried = subprocess.run([*NAMESPACE, "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        lacking(f"the kernel refuses namespaces: {tried.stderr}")
    with contextlib.ExitStack() as stack:
        opened = []
        for number in range(2):
            volume = tmp_path / f"port104-{number}"
            volume.mkdir()
            within = (*NAMESPACE, *MOUNTED, str(volume), settings["storage"]["temporary"])
            opened.append(stack.enter_context(engine(volume, within=within, **settings)))
        yield opened


def send_to_each_in_turn(servers):
    """Returns the UIDs that were acknowledged."""
    acknowledged = []
    for study in range(STUDIES):
        uids = [f"1.2.{study}.{number}" for number in range(INSTANCES)]
        send_images(servers[study % 2].port, uids, study=f"1.2.{study}")
        acknowledged += uids
    return acknowledged


STATES = "SELECT state, COUNT(*) FROM port104_run GROUP BY state"


def test_each_study_is_worked_on_where_it_is(replicas, rows):
    send_to_each_in_turn(replicas)
    replicas[0].wait_for(lambda: sum(count for _, count in rows(STATES)) == STUDIES, 30)
    replicas[0].wait_for(lambda: {state for state, _ in rows(STATES)} <= {"succeeded", "failed"}, 60)
    assert rows(STATES) == [("succeeded", STUDIES)]
    elsewhere = rows(
        "SELECT COUNT(*) FROM port104_run r JOIN port104_job j ON j.id = r.job_id"
        " JOIN port104_instance i ON i.group_id = j.group_id WHERE i.node <> r.node"
    )
    assert elsewhere == [(0,)]
    assert [server.terminate() for server in replicas] == [0, 0]


def test_a_drained_one_may_go_with_its_volume(replicas, rows, receiver):
    acknowledged = send_to_each_in_turn(replicas)
    stays, goes = replicas
    config = goes.folder.with_name(goes.folder.name + ".json")
    subprocess.run(
        [sys.executable, "-m", "port104", "drain", "-f", config, "--storage", goes.folder],
        capture_output=True,
        env=own_environment(),
        timeout=60,
        check=True,
    )
    assert goes.terminate() == 0
    shutil.rmtree(goes.folder)
    stays.wait_for(lambda: len(receiver.stored) == len(acknowledged), 60)
    stays.wait_for(lambda: rows("SELECT DISTINCT state FROM port104_export") == [("delivered",)], 30)
    assert receiver.stored == dict.fromkeys(acknowledged, 1)
    assert rows(STATES) == [("succeeded", STUDIES)]
    assert stays.terminate() == 0
