"""Which backend a pipeline is run by."""

from port104.dispatch.backends.backend import Backend
from port104.dispatch.backends.command import CommandBackend
from port104.dispatch.backends.folder import FolderBackend
from port104.dispatch.backends.webhook import WebhookBackend
from port104.registry.entries import Pipeline

_COMMAND, _WEBHOOK, _FOLDER = CommandBackend(), WebhookBackend(), FolderBackend()


def backend_of(pipeline: Pipeline) -> Backend:
    """Choose the one for what the pipeline is: a command, a webhook or a folder."""
    if pipeline.command:
        return _COMMAND
    return _FOLDER if pipeline.webhook is None else _WEBHOOK
