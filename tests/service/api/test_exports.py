"""What is delivered where, by the API; and to send again or not what was not."""

import pytest

from api_client import serving_api
from outgoing import result
from port104.jobs.ledger.exports import Outcome

HALF = 0.5


@pytest.fixture
async def api(tmp_path):
    """Two exports of one run: to PACS, of which one result is delivered and one failed, and to RIS."""
    async with serving_api(tmp_path) as opened:
        ledger = opened.ledger
        ledger.register_results("r", [result(1), result(2), result(3, "RIS")])
        one, other = ledger.outbox.take([ledger.node], "PACS", 9, 60)
        facts = {"state": "failed", "why": "status C000: error: cannot understand", "status": 0xC000}
        ledger.outbox.settle(
            [Outcome(delivery=one, state="delivered", status=0), Outcome(delivery=other, **facts)], HALF
        )
        ledger.outbox.pause("RIS", "10.0.0.9:104 cannot be reached: Connection refused", 60)
        opened.exports = {each["destination"]: each["id"] for each in await get(opened, "/api/exports")}
        yield opened


async def get(api, target):
    answer = await api.ask("GET", target)
    assert answer.status == 200, answer.body
    return answer.json


async def test_exports_tell_what_was_delivered_and_what_holds_up_the_rest(api):
    found = {each["destination"]: each for each in await get(api, "/api/exports")}
    pacs, ris = found["PACS"], found["RIS"]
    assert (pacs["state"], pacs["total"], pacs["delivered"], pacs["failed"]) == ("partial", 2, 1, 1)
    assert (pacs["pause"], pacs["ended"] is None) == (None, False)
    assert (ris["state"], ris["waiting"], ris["ended"]) == ("waiting", 1, None)
    assert ris["pause"]["why"] == "10.0.0.9:104 cannot be reached: Connection refused"
    assert ris["pause"]["due"] > ris["pause"]["since"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?state=partial", ["PACS"]),
        ("?state=delivered", []),
        ("?destination=RIS", ["RIS"]),
        ("?destination=RIS&state=failed", []),
        ("?job=none", []),
    ],
)
async def test_filters(api, query, names):
    assert [each["destination"] for each in await get(api, f"/api/exports{query}")] == names


async def test_a_page_leads_to_the_next(api):
    first = await api.ask("GET", "/api/exports?limit=1")
    link = first.headers["link"].partition(">")[0].lstrip("<")
    assert {first.json[0]["id"], (await get(api, link))[0]["id"]} == {*api.exports.values()}


async def test_an_export_tells_of_each_result(api):
    detail = await get(api, f"/api/exports/{api.exports['PACS']}")
    told = [
        (each["sopInstanceUid"], each["state"], each["status"], each["why"]) for each in detail["results"]
    ]
    assert told == [
        ("1.2.2", "failed", "C000", "status C000: error: cannot understand"),
        ("1.2.1", "delivered", "0000", ""),
    ]
    assert all(each["ended"] and each["attempt"] == 1 for each in detail["results"])


async def test_what_failed_is_retried_and_what_waits_cancelled(api):
    target = f"/api/exports/{api.exports['PACS']}"
    answer = await api.ask("POST", f"{target}/retry")
    assert (answer.status, answer.json["export"]["state"]) == (200, "waiting")
    again = await api.ask("POST", f"{target}/retry")
    assert (again.status, again.problem) == (409, "state")
    answer = await api.ask("POST", f"{target}/cancel")
    assert (answer.json["export"]["state"], answer.json["export"]["cancelled"]) == ("partial", 1)
    again = await api.ask("POST", f"{target}/cancel")
    assert (again.status, again.problem) == (409, "state")


async def test_what_is_being_sent_can_be_cancelled(api):
    api.ledger.outbox.take([api.ledger.node], "RIS", 9, 60)
    answer = await api.ask("POST", f"/api/exports/{api.exports['RIS']}/cancel")
    assert (answer.status, answer.json["export"]["waiting"]) == (200, 1)


@pytest.mark.parametrize(
    ("method", "target"),
    [("GET", "/api/exports/x"), ("POST", "/api/exports/x/retry"), ("POST", "/api/exports/x/cancel")],
)
async def test_an_unknown_one(api, method, target):
    answer = await api.ask(method, target)
    assert (answer.status, answer.problem) == (404, "unknown-export")


async def test_a_job_tells_of_its_exports(api):
    with api.ledger._database.changing() as session:
        session.run(
            "INSERT INTO port104_job (id, group_id, called, priority, retry_delay, created)"
            " VALUES ('j', 'g', 'A', 1, 5, 100)"
        )
        session.run(
            "INSERT INTO port104_run (id, job_id, pipeline, pipeline_id, name, state, priority, attempt,"
            " first, due, why, to_be_cancelled, cleaned)"
            " VALUES ('r', 'j', 'p', 'P', 'n', 'succeeded', 1, 1, 1, 0, '', 0, 0)"
        )
    detail = await get(api, "/api/jobs/j")
    assert [(each["destination"], each["state"]) for each in detail["exports"]] == [
        ("PACS", "partial"),
        ("RIS", "waiting"),
    ]
    assert [each["job"] for each in await get(api, "/api/exports?job=j")] == ["j", "j"]
