"""How port104 and delivery are, in the health and for Prometheus."""

import re
from pathlib import Path

import promql_parser
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api_client import serving_api
from arrivals import arrival
from outgoing import result
from port104.database.faults import DatabaseError
from port104.export.figures import DestinationFigures
from port104.jobs.ledger.exports import Outcome
from port104.net.contracts import AssociationEnd, AssociationStart
from port104.service.api import events, situation
from port104.service.api.health import LedgerHealth
from port104.service.api.metrics import COUNTERS, GAUGES
from port104.service.api.object_store import ObjectStoreHealth
from port104.storage.space import Room
from port104.wire.pdu import AssociateRJ
from raw_peer import association_request

PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text()


@pytest.fixture
async def api(tmp_path):
    """Of two results to PACS one failed; one waits for RIS, which is left alone, and one for who is gone."""
    async with serving_api(tmp_path) as opened:
        ledger = opened.ledger
        ledger.register_results("r", [result(1), result(2), result(3, "RIS"), result(4, "GONE")])
        one, other = ledger.outbox.take([ledger.node], "PACS", 9, 60)
        outcomes = [Outcome(delivery=one, state="delivered"), Outcome(delivery=other, state="failed")]
        ledger.outbox.settle(outcomes, 0.5)
        opened.figures = [
            DestinationFigures("PACS", 1, 1, "closed", 12.5),
            DestinationFigures("RIS", 0, 0, "open", None),
        ]
        yield opened


async def told(api):
    answer = await api.ask("GET", "/health/status")
    keys = ("waiting", "deadLetters", "sent", "failed", "breaker", "secondsSinceSent")
    return {each["destination"]: tuple(map(each.get, keys)) for each in answer.json["deliveries"]}


async def scraped(api, *, label="destination"):
    """The values of what has this label, or has none, by name."""
    answer = await api.ask("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, sample.labels[label]) if label else sample.name: sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
        if list(sample.labels) == ([label] if label else [])
    }


async def test_the_health_has_delivery_by_destination(api):
    assert await told(api) == {
        "PACS": (0, 1, 1, 1, "closed", 12.5),
        "RIS": (1, 0, 0, 0, "open", None),
        "GONE": (1, 0, 0, 0, "closed", None),
    }


async def test_prometheus_is_told_the_same(api):
    assert {key: value for key, value in (await scraped(api)).items() if key[1] != "GONE"} == {
        ("port104_export_waiting", "PACS"): 0,
        ("port104_export_waiting", "RIS"): 1,
        ("port104_export_dead_letters", "PACS"): 1,
        ("port104_export_dead_letters", "RIS"): 0,
        ("port104_export_breaker_open", "PACS"): 0,
        ("port104_export_breaker_open", "RIS"): 1,
        ("port104_export_seconds_since_sent", "PACS"): 12.5,
        ("port104_export_sent_total", "PACS"): 1,
        ("port104_export_sent_total", "RIS"): 0,
        ("port104_export_failed_total", "PACS"): 1,
        ("port104_export_failed_total", "RIS"): 0,
    }


async def test_without_the_ledger_what_is_known_is_told(api, monkeypatch):
    async def fail(_):
        raise DatabaseError("the ledger cannot be used")

    monkeypatch.setattr(api.behind.lookout, "ask", fail)
    assert await told(api) == {
        "PACS": (None, None, 1, 1, "closed", 12.5),
        "RIS": (None, None, 0, 0, "open", None),
    }
    assert ("port104_export_waiting", "PACS") not in await scraped(api)


async def test_how_it_is(api):
    api.ledger_health = LedgerHealth("the ledger in x cannot be used", 17)
    api.watch.room = Room.LOW
    await api.ask("POST", "/api/drain")
    found = await scraped(api, label="")
    assert found.pop("port104_uptime_seconds") >= 0
    assert {name: value for name, value in found.items() if not name.endswith("_total")} == {
        "port104_ready": 0,
        "port104_drained": 1,
        "port104_associations": 3,
        "port104_disk_size_bytes": 1000,
        "port104_disk_free_bytes": 400,
        "port104_disk_room": 1,
        "port104_instances_unwritten": 17,
        "port104_ledger_up": 0,
        "port104_registry_up": 1,
    }


async def test_how_the_object_store_is(api):
    api.object_store = ObjectStoreHealth(None, 17, 3.5, 4, 4096, 1, 2, 0.5)
    found = await scraped(api, label="")
    assert {name: value for name, value in found.items() if "object_store" in name} == {
        "port104_object_store_up": 1,
        "port104_object_store_waiting": 17,
        "port104_object_store_waiting_seconds": 3.5,
        "port104_object_store_elsewhere": 2,
        "port104_object_store_stored_total": 4,
        "port104_object_store_bytes_total": 4096,
        "port104_object_store_failed_total": 1,
        "port104_object_store_seconds_total": 0.5,
    }


def end(association, outcome="released", reject=None, request=True, **figures):
    return AssociationEnd(
        association=association,
        address="10.0.0.5",
        request=association_request() if request else None,
        reject=reject,
        broke=False,
        tls=False,
        outcome=outcome,
        why="",
        hint="",
        figures=figures,
    )


async def test_what_came(api):
    """On associations that ended, and on one that runs."""
    for number, stored in ((1, 3), (2, 40)):
        api.reception.established(
            AssociationStart(
                association=number,
                address="10.0.0.5",
                request=association_request(),
                contexts={},
                tls=False,
                user=None,
                figures=lambda stored=stored: {"stored": stored, "bytes": 100 * stored},
            )
        )
    api.reception.ended(end(1, stored=5, duplicates=1, refused=2, failed=1, bytes=500))
    api.reception.ended(end(None, "rejected", AssociateRJ(1, 1, 7)))
    for _ in range(2):
        api.reception.ended(end(None, "rejected", AssociateRJ(2, 3, 2)))
    api.reception.ended(end(None, "connection lost", request=False))  # nobody asked for an association
    found = await scraped(api, label="")
    assert {name: value for name, value in found.items() if name.endswith("_total")} == {
        "port104_instances_stored_total": 45,
        "port104_instances_duplicate_total": 1,
        "port104_instances_refused_total": 2,
        "port104_instances_failed_total": 1,
        "port104_received_bytes_total": 4500,
    }
    assert await scraped(api, label="outcome") == {
        ("port104_associations_ended_total", "released"): 1,
        ("port104_associations_ended_total", "rejected"): 3,
    }
    assert await scraped(api, label="result") == {
        ("port104_associations_rejected_total", "permanent"): 1,
        ("port104_associations_rejected_total", "transient"): 2,
    }


async def test_what_is_to_be_done(api, monkeypatch):
    api.ledger.record([arrival(1), arrival(2, value="other"), arrival(3, value=None)])
    assert await scraped(api, label="state") == {
        ("port104_runs", "waiting"): 0,
        ("port104_runs", "running"): 0,
        ("port104_runs", "failed"): 0,
        ("port104_runs", "cancelled"): 0,
        ("port104_groups", "open"): 2,
        ("port104_groups", "holding"): 1,
    }

    async def fail(_):
        raise DatabaseError("the ledger cannot be used")

    monkeypatch.setattr(api.behind.lookout, "ask", fail)
    assert await scraped(api, label="state") == {}


METRICS = [
    *(*GAUGES, *situation.GAUGES, *situation.LABELLED_GAUGES),
    *(f"{name}_total" for name in (*COUNTERS, *situation.FIGURES, *situation.LABELLED_COUNTERS)),
    *(f"{name}_total" for name in situation.UPLOADS),
]


OPERATIONS = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
COUNTED = {"rate", "increase"}  # what asks for a counter
ALERTS = [
    expression.replace("\\|", "|")
    for row in re.findall(r"^\| [^`|]+ \| (`port104_.*|`[a-z_]+\(.*)$", OPERATIONS, re.MULTILINE)
    for expression in re.findall(r"`([^`]+)`", re.split(r"(?<!\\)\|", row)[0])
]


def test_alerts_are_on_metrics_that_there_are():
    named = set(re.findall(r"port104_[a-z_]+", OPERATIONS))
    assert named
    assert named <= {*METRICS, *events.GAUGES}


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_is_one_that_prometheus_takes(alert):
    promql_parser.parse(alert)
    for function, metric in re.findall(r"(\w+)\((port104_\w+)", alert):
        assert (function in COUNTED) == metric.endswith("_total")


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_documented(name):
    (row,) = [line for line in PAGE.splitlines() if line.startswith("| `port104_") and f"`{name}`" in line]
    assert row.count("|") == 3
