"""`pipelines[]`: what is done with jobs."""

import shlex
from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta, field

from port104.registry.pipeline_ids import id_of_name
from port104.service import variables
from port104.service.settings.kubernetes_jobs import KubernetesSettings
from port104.service.settings.section import Section
from port104.service.settings.value_types import URL, AbsolutePath, Command, Name, PipelineID


class LimitsSettings(Section, frozen=True):
    """What each process of a command may use; 0: what port104 itself may."""

    memory: Annotated[int, Meta(ge=0, le=1 << 50)] = 0
    """Bytes of address space (RLIMIT_AS)."""
    open_files: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    """Descriptors (RLIMIT_NOFILE)."""
    cpu_seconds: Annotated[int, Meta(ge=0, le=2_592_000)] = 0
    """Seconds of CPU time (RLIMIT_CPU)."""


class PipelineSettings(Section, frozen=True):
    """What is done with a job: a command, a Job of Kubernetes, a webhook or a folder of other software."""

    name: Name
    """What people call it. Required, unique."""
    id: PipelineID | None = None
    """What AE titles call it (`pipeline-<name>=<ID>`), unique; it never changes. Null (the default): it is
    made, and that of an entry of the configuration is derived from its name, the same after each start."""
    command: Command = ()
    """A program and its arguments, word by word or as one types them; no shell comes between."""
    environment: Annotated[dict[str, str], Meta(extra={"named": variables.read_variable})] = field(
        default_factory=dict
    )
    """Variables for the command, or the container of `kubernetes`. Whoever may read entries sees them."""
    limits: LimitsSettings = LimitsSettings()
    webhook: URL | None = None
    """The URL that is told of each run."""
    webhook_secret_file: AbsolutePath | None = None
    """File with the secret that its messages are signed with."""
    folder: AbsolutePath | None = None
    """The folder that each run's payload is put into, for other software."""
    kubernetes: KubernetesSettings | None = None
    """The Job that a cluster runs, where `jobs.kubernetes` lets port104 make some."""
    concurrency: Annotated[int, Meta(ge=1, le=10_000)] = 1
    """Runs under way at one time, on all engines."""
    time_limit: Annotated[float, Meta(ge=0, le=2_592_000)] = 3600.0
    """Seconds for one attempt; 0: no limit."""
    retries: Annotated[int, Meta(ge=0, le=1000)] = 3
    """Attempts after the first."""
    destinations: tuple[Name, ...] = ()
    """Names of the destinations that its results go to, where these name none themselves."""

    @property
    def words(self) -> tuple[str, ...]:
        """The command word by word."""
        return tuple(shlex.split(self.command)) if isinstance(self.command, str) else self.command

    @property
    def fixed_id(self) -> str:
        """The ID, or the one that is derived from the name."""
        return self.id or id_of_name(self.name)

    def faults(self) -> Iterator[tuple[str, str]]:
        """As the base says."""
        ways = {
            "command": self.words,
            "webhook": self.webhook,
            "folder": self.folder,
            "kubernetes": self.kubernetes,
        }
        given = [key for key, way in ways.items() if way]
        one = "a pipeline is one of command, webhook, folder and kubernetes"
        if not given:
            yield "command", f"{one}, and none of them is given"
        for key in given[1:]:
            yield key, f"{one}, and {given[0]} is given too"
        if self.environment and not {"command", "kubernetes"} & {*given}:
            yield "environment", "it is for a command or kubernetes, and there is neither"
        if self.limits != LimitsSettings() and "command" not in given:
            yield "limits", "it is for a command, and there is none"
        if self.webhook_secret_file is not None and "webhook" not in given:
            yield "webhookSecretFile", "it is for a webhook, and there is none"
