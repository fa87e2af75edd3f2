"""Replicas with a volume each at one path, as a StatefulSet gives them: none sees what the others have."""

import contextlib
import os
import subprocess

import psycopg
import pytest

from engine_process import engine
from lacking import lacking
from port104.wire.command import Status
from sender import Sender, image

pytestmark = [pytest.mark.peer, pytest.mark.timeout(120)]

NAMESPACE = ("unshare", "--mount", "--propagation", "private")
# The first word after it is the volume, the second where it is mounted, and the rest what is run then.
MOUNTED = ("sh", "-c", 'mount --bind "$0" "$1" && shift && exec "$@"')
STUDIES, INSTANCES = 12, 3


@pytest.fixture
def replica(tmp_path, postgres):
    """Opens an engine whose volume is mounted at /payloads of a namespace of its own."""
    if os.geteuid() != 0:
        lacking("only root may mount a volume")
    tried = subprocess.run([*NAMESPACE, "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        lacking(f"the kernel refuses namespaces: {tried.stderr}")
    place = tmp_path / "payloads"
    place.mkdir()
    facts = {
        "scp": {
            "aeTitles": [
                {"aeTitle": "PORT104", "processorSettings": {"timeout": 1, "pipeline-count": "c0"}},
            ]
        },
        "storage": {"temporary": str(place)},
        "pipelines": [{"name": "count", "id": "c0", "command": ["sh", "-c", "test -e dcm/*.0.dcm"]}],
        "registry": {"url": postgres.new_url()},
        "log": {"format": "json"},
    }
    facts["pipelines"][0] |= {"retries": 0, "concurrency": 8}

    def open_one(name):
        volume = tmp_path / name
        volume.mkdir()
        return engine(volume, within=(*NAMESPACE, *MOUNTED, str(volume), str(place)), **facts)

    open_one.url = facts["registry"]["url"]
    return open_one


def send(server, study):
    with Sender(server.port) as sender:
        for number in range(INSTANCES):
            uid = f"{study}.{number}"
            assert sender.store(uid, image(uid, b"pixels", study=study)) == Status.SUCCESS
        sender.release()


def test_each_study_is_worked_on_where_it_is(replica):
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(replica(f"port104-{number}")) for number in range(2)]
        connection = stack.enter_context(psycopg.connect(replica.url, autocommit=True))
        for study in range(STUDIES):
            send(servers[study % 2], f"1.2.{study}")

        def states():
            return connection.execute("SELECT state, COUNT(*) FROM port104_run GROUP BY state").fetchall()

        servers[0].wait_for(lambda: sum(count for _, count in states()) == STUDIES, 30)
        servers[0].wait_for(lambda: {state for state, _ in states()} <= {"succeeded", "failed"}, 60)
        assert states() == [("succeeded", STUDIES)]
        ((elsewhere,),) = connection.execute(
            "SELECT COUNT(*) FROM port104_run r JOIN port104_job j ON j.id = r.job_id"
            " JOIN port104_instance i ON i.group_id = j.group_id WHERE i.node <> r.node"
        )
        assert elsewhere == 0
        assert [server.terminate() for server in servers] == [0, 0]
