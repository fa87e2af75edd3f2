"""A pipeline is run by the backend of what it is."""

import pytest

from port104.dispatch.backends.choosing import Backends
from port104.dispatch.backends.command import CommandBackend
from port104.dispatch.backends.folder import FolderBackend
from port104.dispatch.backends.kubernetes.absent import NoCluster
from port104.dispatch.backends.webhook import WebhookBackend
from port104.registry.entries import Pipeline
from port104.registry.job_templates import JobTemplate


@pytest.mark.parametrize(
    ("what", "backend"),
    [
        ({"command": ("true",)}, CommandBackend),
        ({"webhook": "https://host/"}, WebhookBackend),
        ({"folder": "/inbox"}, FolderBackend),
        ({"kubernetes": JobTemplate(image="lung:2")}, NoCluster),
    ],
)
def test_choice(what, backend):
    assert isinstance(Backends(NoCluster())(Pipeline(name="covid", id="p-1", **what)), backend)


async def test_where_there_is_no_cluster_it_is_told_what_to_do(run, folder, cancel):
    pipeline = Pipeline(name="covid", id="p-1", kubernetes=JobTemplate(image="lung:2"))
    ending = await NoCluster().run(run, pipeline, folder, cancel)
    assert ending.outcome == "failed"
    assert "jobs.kubernetes true" in ending.why
