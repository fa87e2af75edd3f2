"""A replica is drained under load, and its volume deleted: each job ran once, each result is delivered."""

import contextlib
import shutil
import subprocess
import sys

import pytest

from engine_process import engine, own_environment
from modality import Modality
from port104.wire.command import Status
from receiving import Receiver
from replica import Replica
from sender import Sender, image
from service_relay import ServiceRelay

pytestmark = [pytest.mark.peer, pytest.mark.timeout(120)]

ENGINES, SENDERS, INSTANCES = 3, 3, 3
STUDIES_BEFORE = 5


def port104(folder, *words):
    """A command line, of the engine on this storage folder."""
    command = [sys.executable, "-m", "port104", *words, "-f", str(folder.with_name(folder.name + ".json"))]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=own_environment()
    )


@pytest.fixture
def settings(postgres):
    local_ae = {"aeTitle": "PORT104", "processorSettings": {"timeout": 1, "pipeline-copy": "c0"}}
    pipeline = {"name": "copy", "id": "c0", "command": ["sh", "-c", "cp dcm/* output/"], "concurrency": 8}
    return {
        "scp": {"aeTitles": [local_ae], "shutdownDeadline": 2},
        "pipelines": [pipeline | {"destinations": ["PACS"]}],
        "registry": {"url": postgres.new_url()},
        "log": {"format": "json"},
    }


def test_a_replica_is_drained_and_nothing_of_it_is_missed(tmp_path, settings, rows):
    with contextlib.ExitStack() as stack:
        service, receiver = stack.enter_context(ServiceRelay()), stack.enter_context(Receiver())
        pacs = {"name": "PACS", "aeTitle": "PACS", "hostIp": "127.0.0.1", "port": receiver.port}
        settings["scu"] = {"destinations": [pacs]}
        replicas = [
            stack.enter_context(Replica(tmp_path / f"port104-{number}", service, settings))
            for number in range(ENGINES)
        ]
        *stay, leaves = replicas
        modalities = [
            Modality(f"1.2.{number}", service.port, releases=number > 0, instances=INSTANCES)
            for number in range(SENDERS)
        ]
        for each in modalities:
            each.start()
        leaves.engine.wait_for(lambda: len(leaves.engine.stored_files()) > STUDIES_BEFORE * INSTANCES, 30)

        drained = port104(leaves.folder, "drain", "--timeout", "60")
        leaves.engine.wait_for(lambda: not leaves.is_ready())
        leaves.leave_the_service()
        out, err = drained.communicate(timeout=70)
        assert (drained.returncode, "waiting for" in err) == (0, True), out + err
        assert leaves.engine.terminate() == 0
        shutil.rmtree(leaves.folder)

        acknowledged = [uid for each in modalities for uid in each.finish()]
        print([each.seen for each in modalities], len(acknowledged))
        assert {word for each in modalities for word in each.seen} <= {"rejected-transient", "A-ABORT"}
        studies = len(acknowledged) // INSTANCES
        done = "SELECT COUNT(*) FROM port104_export WHERE state = 'delivered'"
        stay[0].engine.wait_for(lambda: rows(done) == [(studies,)], 60)
        assert rows("SELECT state, attempt, COUNT(*) FROM port104_run GROUP BY state, attempt") == [
            ("succeeded", 1, studies)
        ]
        assert receiver.stored == dict.fromkeys(acknowledged, 1)


def rejected(server):
    with pytest.raises(ConnectionError, match="PDU type 3, 00020301"):  # transient, temporary congestion
        Sender(server.port)
    return True


def test_it_stays_so_over_a_restart_until_that_is_undone(tmp_path):
    folder = tmp_path / "payloads"
    with engine(folder) as server:
        with Sender(server.port) as sender:
            assert sender.store("1.2.3", image("1.2.3", b"pixels")) == Status.SUCCESS
            sender.release()
        port104(folder, "drain", "--timeout", "0").communicate(timeout=30)
        assert rejected(server)
        assert server.terminate() == 0
    with engine(folder) as server:
        assert "port104 drain --undo" in server.log.read_text()
        assert rejected(server)
        out, _ = port104(folder, "drain").communicate(timeout=30)
        assert "instances that are kept here alone\t1" in out
        server.command("drain", "--undo")
        with Sender(server.port) as sender:
            assert sender.echo() == Status.SUCCESS
            sender.release()
