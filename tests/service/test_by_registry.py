"""What the ledger is told by the registry of the moment."""

from port104.dispatch.inquiring import Asking
from port104.jobs.grouping import GroupingRule
from port104.registry.entries import LocalAE, Pipeline
from port104.registry.registry import Registry
from port104.service.by_registry import ByRegistry


def test_a_run_has_the_id_of_the_pipeline_that_an_ae_title_names():
    settings = {"pipeline-a": "covid", "pipeline-b": "17", "pipeline-c": "unknown"}
    registry = Registry(
        local_aes=[LocalAE(ae_title="A", processor_settings=settings)],
        pipelines=[Pipeline(name="covid", id="16", folder="/x"), Pipeline(name="b", id="17", folder="/x")],
    )
    runs = ByRegistry(lambda: registry).plan_of("A", 0).runs
    assert [(run.pipeline, run.pipeline_id) for run in runs] == [("a", "16"), ("b", "17"), ("c", "unknown")]


def test_who_is_asked_is_what_the_registry_of_the_moment_says():
    def asking(name):
        settings = {"expectedFrom": name, "timeout": 60}
        asks = LocalAE(ae_title="ASKS", processor_settings=settings)
        return Registry(local_aes=[asks, LocalAE(ae_title="A", processor_settings={"timeout": 60})])

    registries = [asking("FIRST")] * 2 + [asking("SECOND")]
    by = ByRegistry(iter(registries).__next__)
    first, again, second = (by.asking() for _ in registries)
    assert first == {"ASKS": Asking("FIRST", GroupingRule(timeout=60))}
    assert again is first
    assert second["ASKS"].archive == "SECOND"
