"""The walk-through of examples/lung-density: from an empty port104 to results that wait for a destination.

The modality is DCMTK, everything else is the command line's, in the order of the example's README.
"""

import sys
from collections import Counter
from pathlib import Path

import pytest

import lung_density
import phantom
from engine_process import engine
from peers import run_peer

pytestmark = pytest.mark.peer

SOURCES = Path(lung_density.__file__).parents[1]


def test_a_ct_series_becomes_pictures_and_a_report_that_wait(tmp_path):
    phantom.write(phantom.make(matrix=64), tmp_path / "series")
    with engine(tmp_path / "payloads", scp={"aeTitles": []}) as server:
        command = f'"{sys.executable}" -m lung_density'  # what is installed is not what stands here
        number = server.command(
            *("create", "pipeline", "-n", "lung-density", "--command", command, "--retries", 0),
            *("-e", f"PYTHONPATH={SOURCES}"),
        ).rstrip()
        server.command("create", "dest", "-n", "MYPACS", "-a", "MYPACSAET", "-i", "127.0.0.1", "-p", 1104)
        server.command(
            *("create", "aetitle", "-a", "LUNG", "timeout=1"),
            *(f"pipeline-lung-density={number}", "destinations=MYPACS"),
        )
        sent = run_peer("storescu", "-aec", "LUNG", "+sd", "127.0.0.1", server.port, tmp_path / "series")
        assert sent == (0, "")

        def states():
            return [line.split("\t")[1] for line in server.command("jobs", "list").splitlines()]

        server.wait_for(lambda: states() in (["succeeded"], ["failed"]), 60)
        job, state, called, instances, *_ = server.command("jobs", "list").split("\t")
        log = server.command("jobs", "logs", job)
        assert (state, called, instances) == ("succeeded", "LUNG", str(phantom.SLICES)), log
        assert log.startswith("volume 29")
        shown = [line.split("\t") for line in server.command("jobs", "show", job).splitlines()]
        results = Counter(tuple(row[2:4]) for row in shown if row[1].startswith("runs/"))
        assert results == {("waiting", "MYPACS"): 45}, "44 slices with lung, and the report"
        assert ["results", "waiting=45"] in shown
        assert server.terminate() == 0
