"""What the registry of the moment says of instances, groups and runs, by AE title."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from port104.dispatch.inquiring import Asking
from port104.jobs.grouping import GroupingRule
from port104.jobs.ledger.runs import Run
from port104.jobs.planning import Plan, plan
from port104.registry.entries import Pipeline
from port104.registry.registry import Registry
from port104.service.processing import destinations_of, rule_of


class ByRegistry:
    """What the AE titles of the moment say. Asked in worker threads: a registry is never changed."""

    def __init__(self, registry: Callable[[], Registry]) -> None:
        self._registry = registry
        self._asked_of: Registry | None = None
        self._asking: Mapping[str, Asking] = {}

    def rule_of(self, called_ae_title: str) -> GroupingRule:
        """How its instances are grouped."""
        local_ae = self._registry().local_aes.get(called_ae_title)
        return GroupingRule() if local_ae is None else rule_of(local_ae.processor_settings)

    def asking(self) -> Mapping[str, Asking]:
        """Which AE titles have somebody to ask how many instances there will be."""
        registry = self._registry()
        if registry is not self._asked_of:
            self._asked_of, self._asking = registry, dict(_asking_in(registry))
        return self._asking

    def plan_of(self, called_ae_title: str, now: float) -> Plan:
        """What becomes of a group of it that is closed now (Unix time)."""
        registry = self._registry()
        local_ae = registry.local_aes.get(called_ae_title)
        if local_ae is None:
            return plan(called_ae_title, {}, {}, now)
        named = {name: _id_of(given, registry) for name, given in local_ae.pipelines.items()}
        return plan(called_ae_title, named, local_ae.processor_settings, now)

    def destinations_of(self, run: Run, pipeline: Pipeline) -> Sequence[str]:
        """Where results of a run go."""
        return destinations_of(self._registry(), run.called_ae_title, pipeline)

    def replaces(self, called_ae_title: str) -> bool:
        """Whether it lets instances take others' places."""
        local_ae = self._registry().local_aes.get(called_ae_title)
        return local_ae is not None and local_ae.overwrite_same_instance


def _asking_in(registry: Registry) -> Iterator[tuple[str, Asking]]:
    for called, local_ae in registry.local_aes.items():
        if local_ae.expected_from is not None:
            yield called, Asking(local_ae.expected_from, rule_of(local_ae.processor_settings))


def _id_of(id_or_name: str, registry: Registry) -> str:
    """The ID of a pipeline, which an AE title may call by its name; of an unknown one what it is called."""
    pipeline = registry.pipeline(id_or_name)
    return id_or_name if pipeline is None else pipeline.id
