"""Which backend a pipeline is run by."""

from port104.dispatch.backends.backend import Backend
from port104.dispatch.backends.command import CommandBackend
from port104.dispatch.backends.folder import FolderBackend
from port104.dispatch.backends.webhook import WebhookBackend
from port104.registry.entries import Pipeline


class Backends:
    """One of each kind. Call it with a pipeline."""

    def __init__(self, kubernetes: Backend) -> None:
        """`kubernetes`: what makes Jobs, where port104 can."""
        self._kubernetes = kubernetes
        self._command, self._webhook, self._folder = CommandBackend(), WebhookBackend(), FolderBackend()

    def __call__(self, pipeline: Pipeline) -> Backend:
        """Choose the one for what the pipeline is: a command, a Job, a webhook or a folder."""
        if pipeline.command:
            return self._command
        if pipeline.kubernetes is not None:
            return self._kubernetes
        return self._folder if pipeline.webhook is None else self._webhook
