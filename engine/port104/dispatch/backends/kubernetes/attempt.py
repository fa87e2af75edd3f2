"""One attempt that is a Job: what is known of it, and what its folder says.

    kubernetes-job.json   the UID of the Job that was made: one that is gone is not made anew
    consignment.json      what the object store was given for it: not given again, and removed in the end
    outcome.json          how it ended, written before the Job may go; what is in it survives a power cut

What touches the folder waits for the disk: call it from a worker thread.
"""

from pathlib import Path

import msgspec

from port104.cluster.resources import Resource
from port104.dispatch.backends.backend import Ending
from port104.dispatch.backends.kubernetes.labels import ATTEMPT, RUN, name_of
from port104.dispatch.backends.kubernetes.steps import Consignment
from port104.dispatch.backends.supervision import OUTCOME
from port104.dispatch.backends.supervisor import sync_tree
from port104.dispatch.payload import INSTANCES, OUTPUT
from port104.dispatch.transfer.removing import CONSIGNED
from port104.jobs.ledger.runs import Run
from port104.registry.entries import Pipeline
from port104.registry.job_templates import JobTemplate
from port104.storage.whole_file import write_whole

MADE = "kubernetes-job.json"


class Attempt:
    """`deadline`: when its time limit is over. `perhaps_made`: whether there may be a Job of it.

    `ended`: whether that was seen to have. `has_log`: whether there is a pod then that wrote one.
    """

    def __init__(self, run: Run, pipeline: Pipeline, template: JobTemplate, folder: Path, now: float) -> None:
        self.run = run
        self.pipeline = pipeline
        self.template = template
        self.folder = folder
        self.name = name_of(run)
        # Other engines count its time limit from now on: a Job that is made later must end by then, too.
        self.deadline = now + (pipeline.time_limit or float("inf"))
        self.perhaps_made = False
        self.ended = False
        self.has_log = False

    def seconds_left(self, now: float) -> float | None:
        """Until its time limit is over; None: there is none."""
        return self.deadline - now if self.pipeline.time_limit else None

    def owns(self, job: Resource) -> bool:
        """Whether a Job is its own."""
        said = job.metadata.annotations
        return (said.get(RUN), said.get(ATTEMPT)) == (self.run.id, str(self.run.attempt))

    # ---- its folder ----

    def made(self) -> str | None:
        """The UID of the Job that was made for it; None: none was. Raises OSError."""
        try:
            return msgspec.json.decode((self.folder / MADE).read_bytes(), type=_Made).uid
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def write_made(self, uid: str) -> None:
        """Write down which Job was made. Raises OSError."""
        write_whole(self.folder / MADE, msgspec.json.encode(_Made(uid)))

    def consignment(self) -> Consignment | None:
        """What the object store was given for it; None: nothing. Raises OSError."""
        try:
            return msgspec.json.decode((self.folder / CONSIGNED).read_bytes(), type=Consignment)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def write_consignment(self, consignment: Consignment) -> None:
        """Write down what the object store was given. Raises OSError."""
        write_whole(self.folder / CONSIGNED, msgspec.json.encode(consignment))

    def has_instances(self) -> bool:
        """Whether instances are in its folder, and not in the object store alone."""
        return (self.folder / INSTANCES).exists()

    def write_down(self, ending: Ending) -> Ending:
        """Make durable what it left, and then how it ended; returns that. Raises OSError."""
        if ending.outcome == "succeeded":
            try:
                sync_tree(str(self.folder / OUTPUT))
            except OSError as failure:
                ending = Ending("failed", f"what it left in output/ cannot be kept: {failure.strerror}")
        write_whole(self.folder / OUTCOME, msgspec.json.encode(ending))
        return ending


class _Made(msgspec.Struct, frozen=True):
    uid: str
