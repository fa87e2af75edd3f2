"""Whether storage commitment is accepted, and instances where port104 is drained."""

from types import SimpleNamespace

import pytest

from port104.registry.entries import Destination, LocalAE
from port104.registry.registry import Admission as Admitted
from port104.service.admission import Admission
from port104.service.settings.scp import ScpSettings, StorageCommitmentSettings
from port104.storage.space import Room
from raw_peer import association_request

COMMITTER = object()
PACS = Destination(name="PACS", ae_title="PACS", host="10.0.0.1", port=104)
ASKED = Destination(name="VNA", ae_title="VNA", host="10.0.0.1", port=104, storage_commitment=True)


async def admitted(*, enabled=None, keeps_for_ever=True, destinations=(PACS,), drained=False, **request):
    registry = SimpleNamespace(
        admit=lambda *_: Admitted(LocalAE(ae_title="PORT104"), None),
        destinations={each.name: each for each in destinations},
    )
    admission = Admission(
        ScpSettings(storage_commitment=StorageCommitmentSettings(enabled=enabled)),
        SimpleNamespace(registry=registry),
        SimpleNamespace(room=Room.ENOUGH),
        None,
        COMMITTER,
        keeps_for_ever=keeps_for_ever,
        is_drained=lambda: drained,
    )
    return await admission(association_request(**request), "10.0.0.1")


@pytest.mark.parametrize(
    ("enabled", "keeps_for_ever", "commits"),
    [
        (None, True, True),
        (None, False, False),
        (True, False, True),
        (False, True, False),
    ],
)
async def test_it_is_answered_where_it_is_wanted_or_instances_stay(enabled, keeps_for_ever, commits):
    verdict = await admitted(enabled=enabled, keeps_for_ever=keeps_for_ever)
    assert (verdict.commits, verdict.policy.storage_commitment) == (commits, commits)
    assert verdict.commitments is (COMMITTER if commits else None)


async def test_where_destinations_are_to_commit_their_reports_are_taken():
    verdict = await admitted(enabled=False, keeps_for_ever=True, destinations=(PACS, ASKED))
    assert (verdict.commits, verdict.policy.storage_commitment) == (False, True)
    assert verdict.commitments is COMMITTER


async def test_where_it_is_drained_who_wants_to_store_is_sent_away_for_a_while():
    refused = await admitted(drained=True)
    assert (refused.reject.result, refused.reject.source, refused.reject.reason) == (2, 3, 1)
    assert "port104 drain --undo" in refused.hint


async def test_where_it_is_drained_others_are_answered():
    (verification, *_) = association_request().presentation_contexts
    assert (await admitted(drained=True, presentation_contexts=(verification,))).commits
