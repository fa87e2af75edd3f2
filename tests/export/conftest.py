"""Worker threads' work done at once, so that the clock of the tests decides everything."""

import pytest
import trio


@pytest.fixture
def no_threads(monkeypatch):
    async def run_sync(work, *arguments, **_):
        await trio.lowlevel.checkpoint()
        return work(*arguments)

    monkeypatch.setattr(trio.to_thread, "run_sync", run_sync)
