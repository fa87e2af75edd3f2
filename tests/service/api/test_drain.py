"""An engine is drained over the API, which tells what remains."""

import pytest

from api_client import serving_api
from arrivals import arrival
from outgoing import result
from port104.service.api.drain import PATH


@pytest.fixture
async def api(tmp_path):
    async with serving_api(tmp_path) as opened:
        opened.established = 0
        yield opened


async def told(api, method="GET"):
    """Whether it is drained, whether it is empty, and what is not 0."""
    answer = await api.ask(method, PATH)
    assert answer.status == 200
    document = answer.json
    since, empty = document.pop("since"), document.pop("empty")
    return since is not None, empty, {name: count for name, count in document.items() if count}


async def test_it_is_drained_and_no_longer(api):
    assert await told(api) == (False, False, {})
    assert await told(api, "POST") == (True, True, {})
    assert (await api.ask("GET", "/health/ready")).status == 503
    assert (await api.ask("GET", "/health/status")).json["unready"] == [
        "it is drained: port104 drain --undo lets instances in again"
    ]
    assert await told(api) == (True, True, {})
    assert await told(api, "DELETE") == (False, False, {})
    assert (await api.ask("GET", "/health/ready")).status == 200


async def test_it_is_empty_once_nothing_goes_on(api):
    await told(api, "POST")
    api.established = 2
    assert await told(api) == (True, False, {"associations": 2})
    api.established = 0
    api.drain._keeper.is_counting = True
    assert await told(api) == (True, False, {"counting": True})
    api.drain._keeper.is_counting = False
    api.drain._keeper.waiting = 3
    assert await told(api) == (True, False, {"unwritten": 3})
    api.drain._keeper.waiting = 0
    api.ledger.record([arrival(1)])
    api.ledger.register_results("r", [result(1)])
    assert await told(api) == (True, False, {"groups": 1, "results": 1, "instances": 1})


async def test_what_is_kept_or_failed_does_not_hold_it_up(api):
    api.ledger.record([arrival(1, value=None)])
    assert await told(api, "POST") == (True, True, {"instances": 1})


async def test_a_start_goes_on_with_it(api):
    await told(api, "POST")
    api.drain.since = None
    await api.drain.resume()
    assert api.drain.is_begun()
