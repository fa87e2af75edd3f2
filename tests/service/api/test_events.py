"""How the message broker is, in the health and for Prometheus."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from api_client import serving_api
from port104.database.faults import DatabaseError
from port104.jobs.ledger.messages import Message, Refusal, put
from port104.service.api.events import GAUGES, EventsCollector, EventsHealth, reads_events

PAGE = (Path(__file__).parents[3] / "docs" / "events.md").read_text()


@pytest.fixture
async def api(tmp_path):
    """Two messages wait, one of which the broker does not take."""
    async with serving_api(tmp_path) as opened:
        with opened.ledger._database.changing() as session:
            for name in ("m1", "m2"):
                told = Message(id=name, routing_key="md.x", kind="X", correlation_id="c", body="{}")
                put(session, told, session.now())
        opened.ledger.messages.take(9, 60)
        opened.ledger.messages.settle([], [Refusal("m1", "no queue is bound", 60)], ["m2"])
        yield opened


def scraped(health):
    registry = CollectorRegistry(auto_describe=False)
    registry.register(EventsCollector(health))
    lines = generate_latest(registry).decode().splitlines()
    return dict(line.split() for line in lines if not line.startswith("#"))


async def test_what_waits_is_told(api):
    health = await reads_events(api.behind.lookout, lambda: None)()
    assert (health.fault, health.is_up, health.waiting, health.refused) == ("no queue is bound", True, 2, 1)
    assert 0 <= health.seconds_waiting < 60
    told = scraped(health)
    assert told.keys() == GAUGES.keys()
    assert (told["port104_events_waiting"], told["port104_events_broker_up"]) == ("2.0", "1.0")


async def test_a_broker_that_is_away_is_the_fault(api):
    health = await reads_events(api.behind.lookout, lambda: "Connection refused")()
    assert (health.fault, health.is_up) == ("Connection refused", False)
    assert scraped(health)["port104_events_broker_up"] == "0.0"


async def test_all_is_well(api):
    api.ledger.messages.settle(["m1", "m2"], [])
    assert await reads_events(api.behind.lookout, lambda: None)() == EventsHealth(None, True, 0, 0.0, 0, 0)


async def test_without_the_ledger_what_is_known_is_told(api, monkeypatch):
    async def fail(_):
        raise DatabaseError("the ledger cannot be used")

    monkeypatch.setattr(api.behind.lookout, "ask", fail)
    health = await reads_events(api.behind.lookout, lambda: None)()
    assert health == EventsHealth(None, True, None, None, None, None)
    assert scraped(health).keys() == {"port104_events_broker_up"}


async def test_without_a_broker_prometheus_is_told_nothing_of_it(api):
    assert "port104_events" not in (await api.ask("GET", "/metrics")).body.decode()


@pytest.mark.parametrize("name", GAUGES)
def test_every_metric_is_documented(name):
    assert f"| `{name}` |" in PAGE
