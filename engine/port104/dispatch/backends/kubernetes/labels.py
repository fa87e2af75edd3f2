"""By what a Job and its pod are known. Sans-IO.

Labels are for choosing (`kubectl get jobs -l port104.io/ae-title=COVIDAET`), and Kubernetes takes few
characters in them; what a label cannot say as it is stands in the annotation of the same name.
"""

import hashlib
import re

from port104.cluster.resources import GROUP
from port104.jobs.ledger.runs import Run

ENGINE, RUN, ATTEMPT = f"{GROUP}/engine", f"{GROUP}/run", f"{GROUP}/attempt"
_JOB, _AE_TITLE, _PIPELINE = f"{GROUP}/job", f"{GROUP}/ae-title", f"{GROUP}/pipeline"
_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_DIGITS = 8
# A label has 63 characters: of a longer one these stay, with a hyphen and the digits.
_ROOM = 63 - 1 - _DIGITS


def name_of(run: Run) -> str:
    """What the Job of an attempt is called, each time that it is made: there are never two."""
    return f"port104-{run.id}-{run.attempt}"


def label_value(text: str) -> str:
    """Write a text as the value of a label: as it is, or what is left of it and digits that tell it apart."""
    if _VALUE.fullmatch(text):
        return text
    digits = hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
    left = re.sub(r"[^A-Za-z0-9]+", "-", text)[:_ROOM].strip("-")
    return "-".join(filter(None, [left, digits]))


def labels_of(run: Run, engine: str) -> dict[str, str]:
    """The labels of a Job and its pod. `engine`: the name of our storage folder."""
    return {"app.kubernetes.io/managed-by": "port104", ENGINE: engine} | {
        key: label_value(value) for key, value in annotations_of(run).items()
    }


def annotations_of(run: Run) -> dict[str, str]:
    """The same facts as they are."""
    return {
        RUN: run.id,
        ATTEMPT: str(run.attempt),
        _JOB: run.job_id,
        _AE_TITLE: run.called_ae_title,
        _PIPELINE: run.pipeline,
    }
