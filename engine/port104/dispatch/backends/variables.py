"""The variables that describe a run to a program, wherever that runs."""

from pathlib import PurePath

from port104.dispatch.payload import INSTANCES, MANIFEST, OUTPUT
from port104.jobs.ledger.runs import Run

RUN_ID = "PORT104_RUN_ID"
"""By it a command and what it started are known."""


def variables_of(run: Run, folder: PurePath) -> dict[str, str]:
    """Describe a run whose payload the program finds in `folder`."""
    return {
        RUN_ID: run.id,
        "PORT104_JOB_ID": run.job_id,
        "PORT104_AE_TITLE": run.called_ae_title,
        "PORT104_PIPELINE": run.pipeline,
        "PORT104_ATTEMPT": str(run.attempt),
        "PORT104_INPUT": str(folder / INSTANCES),
        "PORT104_OUTPUT": str(folder / OUTPUT),
        "PORT104_MANIFEST": str(folder / MANIFEST),
    }
