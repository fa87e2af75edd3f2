"""How delivery is, in the health and for Prometheus."""

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api_client import serving_api
from outgoing import result
from port104.database.faults import DatabaseError
from port104.export.figures import DestinationFigures
from port104.jobs.ledger.exports import Outcome
from port104.service.api.metrics import COUNTERS, GAUGES

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


async def scraped(api):
    answer = await api.ask("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, sample.labels["destination"]): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
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


@pytest.mark.parametrize("name", [*GAUGES, *(f"{name}_total" for name in COUNTERS)])
def test_every_metric_is_documented(name):
    assert f"| `{name}` |" in PAGE
