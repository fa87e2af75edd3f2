"""Associations by the API."""

import pytest

from api_client import serving_api
from port104.net.contracts import AssociationEnd, AssociationStart
from port104.wire.agreement import AcceptedContext
from raw_peer import SECONDARY_CAPTURE, association_request

PATH = "/api/associations"


@pytest.fixture
async def api(tmp_path):
    async with serving_api(tmp_path) as opened:
        contexts = {1: AcceptedContext(SECONDARY_CAPTURE, "1.2.840.10008.1.2")}
        for number in (1, 2, 3):
            request = association_request(calling_ae_title=f"CT{number}")
            opened.associations.established(
                AssociationStart(number, "10.0.0.5", request, contexts, False, None, dict)
            )
        opened.associations.ended(
            AssociationEnd(
                1,
                "10.0.0.5",
                association_request(calling_ae_title="CT1"),
                None,
                False,
                False,
                "released",
                "",
                "",
                {},
            )
        )
        yield opened


async def test_all(api):
    answer = await api.ask("GET", PATH)
    assert [(each["id"], each["state"]) for each in answer.json] == [
        (3, "running"),
        (2, "running"),
        (1, "ended"),
    ]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("state=running", [3, 2]),
        ("state=ended", [1]),
        ("callingAeTitle=CT2", [2]),
        ("calledAeTitle=NOBODY", []),
        ("outcome=released", [1]),
        ("limit=1&offset=1", [2]),
    ],
)
async def test_some(api, query, ids):
    assert [each["id"] for each in (await api.ask("GET", f"{PATH}?{query}")).json] == ids


async def test_the_next_page_keeps_the_filter(api):
    answer = await api.ask("GET", f"{PATH}?state=running&limit=1")
    assert answer.headers["link"] == f'<{PATH}?state=running&limit=1&offset=1>; rel="next"'


async def test_one(api):
    assert (await api.ask("GET", f"{PATH}/1")).json["outcome"] == "released"
    for number in ("9", "x", "-1", "9" * 30):
        answer = await api.ask("GET", f"{PATH}/{number}")
        assert (answer.status, answer.problem) == (404, "unknown-association")


@pytest.mark.parametrize(("query", "field"), [("state=over", "state"), ("patient=x", "patient")])
async def test_parameters_that_are_wrong(api, query, field):
    answer = await api.ask("GET", f"{PATH}?{query}")
    assert (answer.status, set(answer.faults)) == (400, {field})
