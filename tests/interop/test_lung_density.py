"""The walk-through of examples/lung-density: from an empty port104 to results in archives.

The modality is DCMTK, as is one archive; Orthanc is another, by C-STORE and by STOW-RS. Everything else is
the command line's, in the order of the example's README.
"""

import contextlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import lung_density
import phantom
from engine_process import engine, free_port
from orthanc_process import orthanc
from peers import find_peer, run_peer

pytestmark = pytest.mark.peer

SOURCES = Path(lung_density.__file__).parents[1]


# 44 slices with lung, and the report.
RESULTS = 45


@contextlib.contextmanager
def storescp(folder, port):
    """DCMTK's archive, which keeps what it is sent in `folder`."""
    folder.mkdir()
    line = [find_peer("storescp"), "-od", str(folder), "-aet", "MYPACSAET", str(port)]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.kill()


def test_a_ct_series_becomes_pictures_and_a_report_in_three_archives(tmp_path):
    phantom.write(phantom.make(matrix=64), tmp_path / "series")
    port, other = free_port(), free_port()
    for name in ("dicom", "web"):
        (tmp_path / name).mkdir()
    with (
        storescp(tmp_path / "received", port),
        orthanc(tmp_path / "dicom", free_port(), other) as archive,
        orthanc(tmp_path / "web", free_port(), dicomweb=True) as web,
        engine(tmp_path / "payloads", scp={"aeTitles": []}) as server,
    ):
        command = f'"{sys.executable}" -m lung_density'  # what is installed is not what stands here
        number = server.command(
            *("create", "pipeline", "-n", "lung-density", "--command", command, "--retries", 0),
            *("-e", f"PYTHONPATH={SOURCES}"),
        ).rstrip()
        server.command("create", "dest", "-n", "MYPACS", "-a", "MYPACSAET", "-i", "127.0.0.1", "-p", port)
        server.command("create", "dest", "-n", "ARCHIVE", "-a", "ORTHANC", "-i", "127.0.0.1", "-p", other)
        server.command("create", "dest", "-n", "WEB", "--dicomweb", web.dicomweb)
        server.command(
            *("create", "aetitle", "-a", "LUNG", "timeout=1"),
            *(f"pipeline-lung-density={number}", "destinations=MYPACS,ARCHIVE,WEB"),
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

        def results():
            shown = [line.split("\t") for line in server.command("jobs", "show", job).splitlines()]
            return Counter(tuple(row[2:4]) for row in shown if row[1].startswith("runs/"))

        everywhere = {("delivered", name): RESULTS for name in ("MYPACS", "ARCHIVE", "WEB")}
        server.wait_for(lambda: results() == everywhere, 60)
        assert len(list((tmp_path / "received").iterdir())) == RESULTS
        assert archive.instances() == web.instances()
        assert len(archive.instances()) == RESULTS
        assert server.terminate() == 0
