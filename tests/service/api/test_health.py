"""Whether it lives, is ready, and how it is."""

import pytest

from api_client import serving_api
from port104.service.api.events import EventsHealth
from port104.service.api.health import LedgerHealth
from port104.service.api.object_store import ObjectStoreHealth
from port104.service.condition import Condition
from port104.storage.space import Room


@pytest.fixture
async def api(tmp_path):
    async with serving_api(tmp_path) as opened:
        yield opened


async def word(api, path):
    answer = await api.ask("GET", path)
    assert answer.headers["content-type"].startswith("text/plain")
    return answer.status, answer.body


async def test_healthy(api):
    assert await word(api, "/health/live") == (200, b"Healthy")
    assert await word(api, "/health/ready") == (200, b"Healthy")
    status = (await api.ask("GET", "/health/status")).json
    assert (status["status"], status["unready"], status["activeDimseConnections"]) == ("Healthy", [], 3)
    assert status["services"] == {"dicomScp": "Running", "registry": "Running", "ledger": "Running"}
    assert status["disk"] == {"room": "enough", "sizeBytes": 1000, "freeBytes": 400}
    assert status["registry"] == {
        "fault": None,
        "aeTitles": 1,
        "sources": 0,
        "destinations": 0,
        "pipelines": 0,
    }
    assert status["instances"]["stored"] == 12
    assert status["uptime"] >= 0


async def test_a_ledger_out_of_reach_is_shown(api):
    api.ledger_health = LedgerHealth("the ledger in x cannot be used", 17)
    status = (await api.ask("GET", "/health/status")).json
    assert status["services"]["ledger"] == "Faulted"
    assert status["ledger"] == {"fault": "the ledger in x cannot be used", "waiting": 17}
    assert await word(api, "/health/ready") == (200, b"Healthy")


async def test_an_object_store_is_shown_where_there_is_one(api):
    status = (await api.ask("GET", "/health/status")).json
    assert (status["objectStore"], "objectStore" in status["services"]) == (None, False)
    api.object_store = ObjectStoreHealth("it does not answer", 17, 3.5, 4, 4096, 1, 2, 0.5)
    status = (await api.ask("GET", "/health/status")).json
    assert status["services"]["objectStore"] == "Faulted"
    assert status["objectStore"] == {
        "fault": "it does not answer",
        "waiting": 17,
        "waitingSeconds": 3.5,
        "stored": 4,
        "storedBytes": 4096,
        "failed": 1,
        "elsewhere": 2,
        "attemptSeconds": 0.5,
    }
    assert await word(api, "/health/ready") == (200, b"Healthy")


async def test_it_lives_but_takes_nothing_while_it_drains(api):
    api.condition.drains()
    api.condition.serves()  # a start that was still under way changes nothing
    assert await word(api, "/health/live") == (200, b"Healthy")
    assert await word(api, "/health/ready") == (503, b"Unhealthy")
    status = await api.ask("GET", "/health/status")
    assert (status.status, status.json["services"]["dicomScp"]) == (200, "Draining")
    assert "stopping" in status.json["unready"][0]


async def test_it_is_not_ready_before_it_listens(api):
    api.health._condition = Condition()
    assert await word(api, "/health/ready") == (503, b"Unhealthy")


@pytest.mark.parametrize("room", [Room.LOW, Room.NONE])
async def test_it_is_not_ready_when_space_runs_low(api, room):
    api.watch.room = room
    assert await word(api, "/health/ready") == (503, b"Unhealthy")
    assert (await api.ask("GET", "/health/status")).json["disk"]["room"] == room.name.lower()


@pytest.mark.parametrize("name", ["customResources", "kubernetesJobs"])
async def test_what_cannot_be_followed_of_a_cluster_is_shown(api, name):
    class Following:
        fault = None

    api.health._followed = {name: Following()}
    services = (await api.ask("GET", "/health/status")).json["services"]
    assert services[name] == "Running"
    Following.fault = "the API server does not answer in time"
    services = (await api.ask("GET", "/health/status")).json["services"]
    assert services[name] == "Faulted"


async def test_a_broker_is_shown_where_there_is_one(api):
    assert (await api.ask("GET", "/health/status")).json["events"] is None
    health = EventsHealth("no queue is bound", True, 2, 7.5, 1, 3)

    async def read():
        return health

    api.health._events = read
    status = (await api.ask("GET", "/health/status")).json
    assert status["services"]["events"] == "Faulted"
    assert status["events"] == {
        "fault": "no queue is bound",
        "isUp": True,
        "waiting": 2,
        "secondsWaiting": 7.5,
        "refused": 1,
        "requests": 3,
    }
    assert await word(api, "/health/ready") == (200, b"Healthy")
