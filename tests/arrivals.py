"""Instances as the ledger is told of them, and what an AE title makes of them."""

from port104.jobs.grouping import GroupingRule
from port104.jobs.ledger.arrivals import Arrival, Provenance
from port104.jobs.planning import plan
from port104.registry.entries import LocalAE

RULE = GroupingRule(timeout=5, maximum_age=60)


def arrival(number, *, value="study", written=1, **facts):
    """The instance number `number` of a study."""
    own = {
        "file": f"00/{number:04}.dcm",
        "written": written,
        "replaced": written > 1,
        "received": 1000.0 + number,
        "sop_instance_uid": f"1.2.3.{number}",
    }
    shared = {
        "called_ae_title": "PORT104",
        "calling_ae_title": "CT1",
        "address": "10.0.0.1",
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2",
        "study_instance_uid": value or "",
        "series_instance_uid": f"{value}.1",
        "rule": RULE,
        "value": value,
        "announced": None,
    }
    for name, fact in facts.items():
        (own if name in own else shared)[name] = fact
    return Arrival(**own, provenance=Provenance(**shared))


def plan_by(called, settings, now):
    """What a group is worth by these settings of its AE title."""
    local_ae = LocalAE(ae_title=called, processor_settings=settings)
    return plan(called, local_ae.pipelines, settings, now)
