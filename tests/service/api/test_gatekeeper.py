"""What goes wrong behind the gatekeeper stays there, and every answer is a safe one."""

import pytest
import structlog

from api_client import HERE, serving_api


@pytest.fixture
async def api(tmp_path):
    async with serving_api(tmp_path) as opened:
        yield opened


async def test_a_fault_of_ours_is_logged_and_not_shown(api, monkeypatch):
    monkeypatch.setattr(api.health, "status", lambda: 1 / 0)
    with structlog.testing.capture_logs() as entries:
        answer = await api.ask("GET", "/health/status")
    assert (answer.status, answer.problem) == (500, "fault")
    assert b"ZeroDivisionError" not in answer.body
    assert any(entry.get("exc_info") for entry in entries)


async def test_a_fault_before_the_framework_is_too(api, monkeypatch):
    monkeypatch.setattr(api.gatekeeper, "_application", lambda *_: 1 / 0)
    with structlog.testing.capture_logs() as entries:
        answer = await api.ask("GET", "/health/status")
    assert (answer.status, answer.problem) == (500, "fault")
    assert any(entry.get("exc_info") for entry in entries)


@pytest.mark.parametrize("path", ["/", "/nope", "/api", "/api/config", "*", "http://localhost/health/live"])
async def test_paths_that_are_not_there(api, path):
    answer = await api.ask("GET", path)
    assert (answer.status, answer.problem) == (404, "not-found")


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "PRI"])
async def test_methods_that_are_not_there(api, method):
    answer = await api.ask(method, "/api/config/claraaetitle")
    assert (answer.status, answer.problem) == (405, "method")
    assert set(answer.headers["allow"].split(", ")) >= {"GET", "POST"}


async def test_head_and_options(api):
    head = await api.ask("HEAD", "/api/config/claraaetitle")
    assert (head.status, head.headers["x-total-count"]) == (200, "1")
    options = await api.ask("OPTIONS", "/api/config/claraaetitle")
    assert options.status == 204
    assert "POST" in options.headers["allow"]


@pytest.mark.parametrize("path", ["/health/live", "/nope", "/api/tokens"])
async def test_no_answer_is_kept_framed_or_run(api, path):
    headers = (await api.ask("GET", path, peer=HERE)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
