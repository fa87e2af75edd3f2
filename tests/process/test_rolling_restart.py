"""Engines with one PostgreSQL are restarted one by one under load, as Kubernetes does it with a StatefulSet.

What was acknowledged is stored, each study is one job that runs once, and no sender sees more than what a
retry mends: who ends its association with each study sees nothing at all.
"""

import contextlib

import pytest

from modality import Modality
from replica import Replica
from service_relay import ServiceRelay

pytestmark = [pytest.mark.peer, pytest.mark.timeout(120)]

ENGINES, SENDERS = 3, 4
DEADLINE_SECONDS = 2.0


@pytest.fixture
def settings(postgres, tmp_path):
    """Each study goes into a folder, once."""
    folder = tmp_path / "runs"
    folder.mkdir()
    local_ae = {"aeTitle": "PORT104", "processorSettings": {"timeout": 4, "pipeline-put": "c0"}}
    return {
        "scp": {"aeTitles": [local_ae], "shutdownDeadline": DEADLINE_SECONDS},
        "pipelines": [{"name": "put", "id": "c0", "folder": str(folder), "concurrency": 8}],
        "registry": {"url": postgres.new_url()},
        "log": {"format": "json"},
    }


def test_senders_see_nothing_that_a_retry_does_not_mend(tmp_path, settings, rows):
    with contextlib.ExitStack() as stack:
        service = stack.enter_context(ServiceRelay())
        replicas = [
            stack.enter_context(Replica(tmp_path / f"port104-{number}", service, settings))
            for number in range(ENGINES)
        ]
        patient = Modality("1.2.0", service.port, releases=False)
        others = [Modality(f"1.2.{number}", service.port) for number in range(1, SENDERS)]
        for each in (patient, *others):
            each.start()
        for each in replicas:
            each.stop()
            each.start()
        acknowledged = [uid for each in (patient, *others) for uid in each.finish()]
        studies = {uid.rpartition(".")[0] for uid in acknowledged}
        assert len(studies) > 10 * SENDERS
        # Who never releases is ended by an A-ABORT, once for each restart of its engine.
        assert patient.seen.keys() <= {"A-ABORT"}
        assert 1 <= patient.seen.total() <= ENGINES
        assert [each.seen for each in others] == [{}] * len(others)

        done = "SELECT COUNT(*) FROM port104_run WHERE state = 'succeeded' AND attempt = 1"
        replicas[0].engine.wait_for(lambda: rows(done) == [(len(studies),)], 30)
        assert rows("SELECT value, COUNT(*) FROM port104_group GROUP BY value ORDER BY value") == [
            (study, 1) for study in sorted(studies)
        ]
        assert rows("SELECT COUNT(*) FROM port104_run") == [(len(studies),)]
        stored = rows("SELECT sop_instance FROM port104_instance WHERE state = 'kept' ORDER BY sop_instance")
        assert [uid for (uid,) in stored] == sorted(acknowledged)
        assert sum(len(each.engine.stored_files()) for each in replicas) == len(acknowledged)
        put = [len(list(run.glob("dcm/*.dcm"))) for run in (tmp_path / "runs").glob("[!.]*")]
        assert put == [patient.instances] * len(studies)
