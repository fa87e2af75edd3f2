"""A run, and the folder of its attempt."""

import pytest
import trio

from port104.jobs.ledger.runs import Run


@pytest.fixture
def run():
    return Run(
        id="00000000000000a1",
        job_id="00000000000000b1",
        group_id="00000000000000c1",
        called_ae_title="COVIDAET",
        pipeline="covid",
        pipeline_id="p-1",
        name="covidaet-covid-20261129213000",
        attempt=1,
        first=1,
        retry_delay=5.0,
    )


@pytest.fixture
def folder(tmp_path, run):
    folder = tmp_path / "runs" / run.id / "1"
    (folder / "dcm").mkdir(parents=True)
    (folder / "output").mkdir()
    (folder / "dcm" / "1.2.3.dcm").write_bytes(b"an instance")
    (folder / "manifest.json").write_text('{"version": 1, "instances": [{"file": "dcm/1.2.3.dcm"}]}')
    return folder


@pytest.fixture
def cancel():
    return trio.Event()
