"""A destination is asked by C-ECHO at once, by the API."""

import pytest

from api_client import serving_api
from port104.errors import Suspect
from port104.export.dimse import Verification

DESTINATIONS = "/api/config/destinationaetitle"
PACS = {"name": "MY/PACS", "aeTitle": "MYPACSAET", "hostIp": "10.0.0.5", "port": 1104}


@pytest.fixture
async def api(tmp_path):
    async with serving_api(tmp_path) as opened:
        assert (await opened.ask("POST", DESTINATIONS, PACS)).status == 201
        yield opened


@pytest.mark.parametrize(
    "outcome",
    [
        Verification("MY/PACS", answered=True, association_seconds=0.0021, echo_seconds=0.0004),
        Verification("MY/PACS", answered=False, wrong=Suspect.CALLED_AE_TITLE, reason="... rejected"),
    ],
)
async def test_what_came_of_it_is_answered(api, outcome):
    api.asked["MY/PACS"] = outcome
    answer = await api.ask("POST", f"{DESTINATIONS}/MY%2FPACS/echo")
    assert (answer.status, answer.json) == (
        200,
        {
            "destination": "MY/PACS",
            "answered": outcome.answered,
            "wrong": outcome.wrong,
            "reason": outcome.reason,
            "associationSeconds": outcome.association_seconds,
            "echoSeconds": outcome.echo_seconds,
        },
    )


async def test_what_cannot_be_asked(api):
    assert (await api.ask("POST", f"{DESTINATIONS}/NONE/echo")).status == 404
    assert (await api.ask("GET", f"{DESTINATIONS}/MY%2FPACS/echo")).status == 405
    assert (await api.ask("POST", f"{DESTINATIONS}/MY%2FPACS/echo?x=1")).status == 400
    assert (await api.ask("POST", "/api/config/sourceaetitle/MYPACS/echo")).status == 404
