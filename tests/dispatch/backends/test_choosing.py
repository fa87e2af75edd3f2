"""A pipeline is run by the backend of what it is."""

import pytest

from port104.dispatch.backends.choosing import backend_of
from port104.dispatch.backends.command import CommandBackend
from port104.dispatch.backends.folder import FolderBackend
from port104.dispatch.backends.webhook import WebhookBackend
from port104.registry.entries import Pipeline


@pytest.mark.parametrize(
    ("what", "backend"),
    [
        ({"command": ("true",)}, CommandBackend),
        ({"webhook": "https://host/"}, WebhookBackend),
        ({"folder": "/inbox"}, FolderBackend),
    ],
)
def test_choice(what, backend):
    assert isinstance(backend_of(Pipeline(name="covid", id="p-1", **what)), backend)
