"""Studies that come over many associations at once: each is one job, of exactly its instances.

PORT104_STUDIES sets how many (`make many-studies`: 2,000, which are 100,000 instances).
"""

import os
import sqlite3
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from multiprocessing import get_context

import pytest

from engine_process import engine
from port104.wire.command import Status
from sender import Sender, image

STUDIES = int(os.environ.get("PORT104_STUDIES", "100"))
INSTANCES = 50  # of a study
ASSOCIATIONS = 32
PROCESSES = 2
PIXELS = bytes(7800)  # 8 KiB an instance
# For the last groups to be closed; many times as long as the ledger takes for what waits.
SETTLING_SECONDS = 60.0
SETTINGS = {
    "scp": {"aeTitles": [{"aeTitle": "PORT104", "processorSettings": {"timeout": 5, "pipeline-a": "A"}}]},
    "pipelines": [{"name": "a", "id": "A", "command": ["true"], "concurrency": 1}],
    "log": {"format": "json"},
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def send_share(port, association):
    """What one association brings: every ASSOCIATIONS-th instance, so that all have a part in each study."""
    with Sender(port) as sender:
        for number in range(association, STUDIES * INSTANCES, ASSOCIATIONS):
            instance, study = f"1.2.3.{number}", f"1.2.4.{number // INSTANCES}"
            assert sender.store(instance, image(instance, PIXELS, study=study)) == Status.SUCCESS
        sender.release()


def send_shares(port, process):
    shares = range(process, ASSOCIATIONS, PROCESSES)
    with ThreadPoolExecutor(len(shares)) as threads:
        list(threads.map(partial(send_share, port), shares))


def jobs_in(folder):
    """Of each job: its study, and how many instances it has, of how many studies."""
    with closing(sqlite3.connect(f"file:{folder}/ledger.sqlite3?mode=ro", uri=True)) as connection:
        return connection.execute(
            "SELECT g.value, COUNT(DISTINCT i.sop_instance), COUNT(DISTINCT i.study), MIN(i.study)"
            " FROM port104_job j JOIN port104_group g ON g.id = j.group_id"
            " JOIN port104_instance i ON i.group_id = g.id GROUP BY j.id"
        ).fetchall()


def test_each_study_is_one_job_of_exactly_its_instances(tmp_path):
    with (
        engine(tmp_path / "storage", **SETTINGS) as server,
        ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as processes,
    ):
        began = time.monotonic()
        list(processes.map(partial(send_shares, server.port), range(PROCESSES)))
        sent = time.monotonic() - began
        server.wait_for(lambda: len(jobs_in(server.folder)) >= STUDIES, SETTLING_SECONDS)
        made = time.monotonic() - began
        print(f"{STUDIES * INSTANCES} instances in {sent:.1f} s, jobs made after {made:.1f} s")
        found = sorted(jobs_in(server.folder))
    expected = [f"1.2.4.{number}" for number in range(STUDIES)]
    assert found == sorted((study, INSTANCES, 1, study) for study in expected)
