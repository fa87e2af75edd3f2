"""A Job per attempt, made once, followed to its end, whatever happens to the API server and to port104."""

import errno
import json

import msgspec
import pytest
import trio
from structlog.testing import capture_logs

from port104.dispatch.backends.backend import Ending
from port104.dispatch.backends.kubernetes import attempt, hindering, pod_log
from port104.dispatch.backends.kubernetes import backend as module
from port104.dispatch.backends.kubernetes.attempt import MADE
from stub_cluster import OWNER, POD

ENGINE = "00000000000000e1"
GONE = "its Job port104-00000000000000a1-1 is gone: somebody deleted it before its end was seen"
PULL = {"waiting": {"reason": "ImagePullBackOff", "message": "denied"}}


async def test_a_job_is_made_followed_and_its_output_kept(stub, runs, folder):
    async with runs.engine():
        name = await stub.until_made()
        [job] = stub.jobs
        assert name == "port104-00000000000000a1-1"
        assert job["metadata"]["labels"]["port104.io/engine"] == ENGINE
        await runs.until((folder / MADE).exists)
        assert json.loads((folder / MADE).read_bytes()) == {"uid": job["metadata"]["uid"]}
        pod = stub.begin(name)
        stub.write(pod, b"one\n")
        await runs.until(lambda: runs.log == b"one\n")
        stub.write(pod, b"two\n")
        stub.end(name)
        assert await runs.ended() == Ending("succeeded")
    assert runs.log == b"one\ntwo\n"
    assert json.loads((folder / "outcome.json").read_bytes()) == {"outcome": "succeeded", "why": ""}
    assert stub.created == 1


async def test_a_job_belongs_to_the_statefulset_that_there_is_now(stub, runs, run, pipeline, folder, cancel):
    """One that takes the place of another may leave the pod as it is."""
    async with runs.engine() as backend, trio.open_nursery() as nursery:
        await stub.until_made()
        pod = stub.objects["pods", POD]
        stub.put("pods", POD, pod | {"metadata": {"ownerReferences": [OWNER | {"uid": "another"}]}})
        second, other = msgspec.structs.replace(run, id="00000000000000a2"), folder.parents[1] / "a2" / "1"
        (other / "dcm").mkdir(parents=True)
        nursery.start_soon(backend.run, second, pipeline, other, cancel)
        await stub.until_made(2)
        nursery.cancel_scope.cancel()
    owners = [job["metadata"]["ownerReferences"][0]["uid"] for job in stub.jobs]
    assert owners == [OWNER["uid"], "another"]


async def test_a_job_stays_for_a_while_once_its_end_is_written_down(stub, runs, pipeline):
    async with runs.engine():
        name = await stub.until_made()
        assert stub.jobs[0]["spec"]["ttlSecondsAfterFinished"] == 604800
        stub.begin(name)
        stub.end(name)
        await runs.ended()
        [job] = stub.jobs
        assert job["spec"]["ttlSecondsAfterFinished"] == pipeline.kubernetes.ttl_seconds_after_finished


async def test_a_failure_is_told_with_its_exit_code(stub, runs, folder):
    async with runs.engine():
        name = await stub.until_made()
        stub.write(stub.begin(name), b"no GPU\n")
        stub.end(name, 3)
        why = "ended with exit code 3; what it wrote is in its log"
        assert await runs.ended() == Ending("failed", why)
    assert runs.log == b"no GPU\n"
    assert json.loads((folder / "outcome.json").read_bytes()) == {"outcome": "failed", "why": why}


async def test_what_took_too_long_keeps_what_it_wrote(stub, runs):
    """Its pod is gone then, and its log with it."""
    async with runs.engine():
        name = await stub.until_made()
        stub.write(stub.begin(name), b"epoch 1\n")
        await runs.until(lambda: runs.log)
        stub.time_out(name)
        ending = await runs.ended()
    assert ending == Ending("failed", "had not ended within its time limit of 60 s, and was ended")
    assert runs.log == b"epoch 1\n"


async def test_what_never_began_says_why(stub, runs):
    async with runs.engine():
        name = await stub.until_made()
        waits = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no GPU"}
        pod = stub.begin(name)
        with capture_logs() as logs:
            stub.put("pods", pod, {**stub.objects["pods", pod], "status": {"conditions": [waits]}})
            await runs.until(lambda: runs.log)
        assert [each["event"] for each in logs] == ["a Job has not begun"]
        assert runs.log == b"[port104: it has not begun: no node takes it: Unschedulable: no GPU]\n"
        stub.time_out(name)
        ending = await runs.ended()
    assert ending.why.endswith("and was ended; no node takes it: Unschedulable: no GPU")


async def test_what_began_late_says_why_and_then_what_it_wrote(stub, runs):
    async with runs.engine():
        pod = stub.begin(await stub.until_made(), PULL)
        await runs.until(lambda: runs.log)
        stub.change(pod, {"running": {}})
        stub.write(pod, b"one\n")
        stub.end(stub.jobs[0]["metadata"]["name"])
        assert await runs.ended() == Ending("succeeded")
    first, second = runs.log.splitlines()
    assert first.startswith(b"[port104: it has not begun: its container cannot be started: ImagePullBackOff")
    assert second == b"one"


async def test_an_image_that_cannot_be_pulled_is_given_up(stub, runs, monkeypatch):
    monkeypatch.setattr(hindering, "HINDERED_SECONDS", 0.05)
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    async with runs.engine():
        stub.begin(await stub.until_made(), PULL)
        ending = await runs.ended()
    assert ending.outcome == "failed"
    assert "ImagePullBackOff: denied: check its name and tag" in ending.why
    assert stub.jobs == []  # nothing goes on of what was given up


async def test_a_payload_that_was_listed_for_the_object_store_is_made_anew(stub, runs, folder):
    """Its pipeline had its payload from there when it was made; a volume would show it nothing."""
    (folder / "dcm" / "1.2.3.dcm").unlink()
    (folder / "dcm").rmdir()
    async with runs.engine():
        assert "changed since its payload was made" in (await runs.ended()).why
    assert stub.created == 0


# ---- once ----


async def test_an_answer_that_was_lost_makes_no_second_job(stub, runs):
    stub.lost = 1
    async with runs.engine():
        name = await stub.until_made()
        stub.begin(name)
        stub.end(name)
        assert await runs.ended() == Ending("succeeded")
    assert stub.created == 1


async def test_an_engine_that_was_killed_finds_its_job_again(stub, runs):
    async with runs.engine():
        name = await stub.until_made()
        stub.write(stub.begin(name), b"one\n")
        await runs.until(lambda: runs.log)
    assert (runs.ending, len(stub.jobs)) == (None, 1)
    async with runs.engine():
        stub.write(f"{name}-x7k2p", b"two\n")
        stub.end(name)
        assert await runs.ended() == Ending("succeeded")
    assert stub.created == 1
    assert runs.log == b"one\ntwo\n"


async def test_an_engine_that_was_killed_before_it_wrote_down_what_it_made_makes_no_second_one(
    stub, runs, folder
):
    async with runs.engine():
        await stub.until_made()
        await runs.until((folder / MADE).exists)
    (folder / MADE).unlink()
    async with runs.engine():
        name = stub.jobs[0]["metadata"]["name"]
        stub.begin(name)
        stub.end(name)
        assert await runs.ended() == Ending("succeeded")
    assert stub.created == 1


async def test_a_job_that_ended_while_the_engine_was_away(stub, runs, folder):
    async with runs.engine():
        name = await stub.until_made()
        await runs.until((folder / MADE).exists)
    stub.begin(name)
    stub.end(name, 1)
    async with runs.engine():
        assert (await runs.ended()).why.startswith("ended with exit code 1")


async def test_an_end_that_was_written_down_is_not_asked_for_again(stub, runs):
    async with runs.engine():
        name = await stub.until_made()
        stub.begin(name)
        stub.end(name)
        await runs.ended()
    stub.remove(name)
    runs.ending = None
    async with runs.engine():
        assert await runs.ended() == Ending("succeeded")
    assert stub.created == 1


@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize("number", range(1, 16))
async def test_an_engine_that_is_killed_at_any_request_has_it_run_once(stub, runs, number, answered):
    """Before the request is answered, or right after."""
    killed = trio.Event()
    serve, seen = stub._serve, 0

    async def kill(stream, request):
        nonlocal seen
        seen += 1
        if seen != number:
            return await serve(stream, request)
        went_on = answered and await serve(stream, request)
        killed.set()
        return went_on

    async def play():
        name = await stub.until_made()
        stub.write(stub.begin(name), b"one\n")
        stub.end(name)

    stub._serve = kill
    async with trio.open_nursery() as nursery:
        nursery.start_soon(play)
        async with runs.engine():
            await runs.until(lambda: killed.is_set() or runs.ending is not None)
        if runs.ending is None:
            async with runs.engine():
                await runs.ended()
        assert runs.ending == Ending("succeeded")
        nursery.cancel_scope.cancel()
    assert stub.created == 1
    assert runs.log == b"one\n"


async def test_a_job_that_is_there_and_gone_when_it_is_made_again_has_failed(stub, runs, monkeypatch):
    stub.refusals = [(409, "already exists")]
    async with runs.engine():
        assert await runs.ended() == Ending("failed", GONE)
    assert stub.created == 0


async def test_a_job_that_somebody_deleted_has_failed(stub, runs):
    async with runs.engine():
        name = await stub.until_made()
        await runs.until((runs.folder / MADE).exists)
        stub.remove(name)
        assert await runs.ended() == Ending("failed", GONE)


async def test_a_job_that_was_deleted_while_the_engine_was_away_is_not_made_anew(stub, runs):
    async with runs.engine():
        name = await stub.until_made()
        await runs.until((runs.folder / MADE).exists)
    stub.remove(name)
    async with runs.engine():
        assert await runs.ended() == Ending("failed", GONE)
    assert stub.created == 1


async def test_a_job_that_was_made_anew_by_somebody_is_another_one(stub, runs):
    async with runs.engine():
        name = await stub.until_made()
        await runs.until((runs.folder / MADE).exists)
        job = stub.objects["jobs", name]
        stub.remove(name)
        stub.put("jobs", name, {**job, "metadata": {**job["metadata"], "uid": "other"}})
        assert await runs.ended() == Ending("failed", GONE)


async def test_a_name_that_a_stranger_has(stub, runs):
    stub.put("jobs", "port104-00000000000000a1-1", {"metadata": {"annotations": {}}, "spec": {}})
    async with runs.engine():
        ending = await runs.ended()
    assert "that is not of this run: delete it" in ending.why
    assert len(stub.jobs) == 1


# ---- cancelled ----


async def test_cancelled_its_job_is_deleted_and_waited_for(stub, runs, folder):
    stub.slow_deletion = True
    async with runs.engine():
        name = await stub.until_made()
        stub.write(stub.begin(name), b"one\n")
        await runs.until(lambda: runs.log)
        runs.cancel.set()
        await runs.until(lambda: "deletionTimestamp" in stub.objects["jobs", name]["metadata"])
        assert runs.ending is None
        stub.remove(name)
        assert await runs.ended() == Ending("cancelled", "was cancelled")
    assert json.loads((folder / "outcome.json").read_bytes())["outcome"] == "cancelled"


async def test_cancelled_before_it_began(stub, runs):
    runs.cancel.set()
    async with runs.engine():
        assert (await runs.ended()).outcome == "cancelled"
    assert stub.jobs == []


async def test_cancelled_after_a_kill(stub, runs):
    async with runs.engine():
        name = await stub.until_made()
        stub.begin(name)
    runs.cancel.set()
    async with runs.engine():
        assert (await runs.ended()).outcome == "cancelled"
    assert (stub.jobs, stub.created) == ([], 1)


async def test_a_job_that_is_gone_when_it_is_to_be_cancelled(stub, runs):
    stub.refusing = {}
    async with runs.engine():
        name = await stub.until_made()
        await runs.until((runs.folder / MADE).exists)
        stub.away = True
        await stub.hang_up()
        runs.cancel.set()
        await trio.sleep(0.02)
        assert runs.ending is None
        stub.remove(name)
        stub.away = False
        assert (await runs.ended()).outcome == "cancelled"


@pytest.mark.parametrize("status", [404, 409])
async def test_cancelled_when_somebody_deleted_it_already(stub, runs, monkeypatch, status):
    async def delete(stream, name, _):
        stub.remove(name)
        return await stub._refuse(stream, status, "it is gone, or another one")

    monkeypatch.setattr(stub, "_delete", delete)
    async with runs.engine():
        name = await stub.until_made()
        stub.begin(name)
        runs.cancel.set()
        assert (await runs.ended()).outcome == "cancelled"


async def test_a_deletion_that_is_refused_is_asked_for_again(stub, runs, monkeypatch):
    delete, asked = stub._delete, []

    async def refuse_first(stream, name, options):
        asked.append(name)
        return await (
            stub._refuse(stream, 500, "later") if len(asked) == 1 else delete(stream, name, options)
        )

    monkeypatch.setattr(stub, "_delete", refuse_first)
    async with runs.engine():
        await stub.until_made()
        runs.cancel.set()
        assert (await runs.ended()).outcome == "cancelled"
    assert (len(asked), stub.jobs) == (2, [])


# ---- the API server ----


async def test_while_the_api_server_is_away_the_run_waits(stub, runs):
    stub.away = True
    async with runs.engine():
        with capture_logs() as logs:
            await runs.until(lambda: len(stub.requests) > 8)
        assert runs.ending is None
        assert sum(each["event"] == "a run waits for the API server" for each in logs) == 1
        stub.away = False
        name = await stub.until_made()
        stub.begin(name)
        stub.away = True
        await stub.hang_up()
        stub.end(name)
        await trio.sleep(0.02)
        assert runs.ending is None
        stub.away = False
        assert await runs.ended() == Ending("succeeded")


async def test_a_watch_that_is_too_old(stub, runs):
    async with runs.engine():
        name = await stub.until_made()
        stub.begin(name)
        await stub.hang_up()
        stub.version += 10
        stub.end(name)
        stub.compact()
        assert await runs.ended() == Ending("succeeded")


async def test_a_job_whose_stay_cannot_be_shortened_has_ended_all_the_same(stub, runs, monkeypatch):
    async def refuse(stream, *_):
        return await stub._refuse(stream, 403, "no patch")

    monkeypatch.setattr(stub, "_change", refuse)
    async with runs.engine():
        name = await stub.until_made()
        stub.begin(name)
        stub.end(name)
        assert await runs.ended() == Ending("succeeded")


@pytest.mark.parametrize("status", [401, 429, 500, 503])
async def test_what_passes_is_waited_for(stub, runs, status):
    stub.refusals = [(status, "later")] * 3
    async with runs.engine():
        name = await stub.until_made()
        stub.begin(name)
        stub.end(name)
        assert await runs.ended() == Ending("succeeded")


async def test_a_quota_is_waited_for(stub, runs):
    stub.refusals = [(403, "exceeded quota: jobs, requested: count/jobs.batch=1")] * 3
    async with runs.engine():
        await stub.until_made()


async def test_an_api_server_that_does_not_know_the_roles_yet_is_asked_again(stub, runs):
    """As it is for a tenth of a second after it has started."""
    stub.refusals = [(403, 'cannot create resource "jobs": RBAC: role "port104" not found')] * 3
    async with runs.engine():
        name = await stub.until_made()
        stub.begin(name)
        stub.end(name)
        assert await runs.ended() == Ending("succeeded")


@pytest.mark.parametrize(
    ("status", "message", "said"),
    [
        (422, "spec.template.spec.containers[0].image: Required value", "image: Required value"),
        (403, 'cannot create resource "jobs"', "the chart's Role"),
    ],
)
async def test_what_is_refused_for_good_is_told(stub, runs, status, message, said, monkeypatch):
    monkeypatch.setattr(module, "FORBIDDEN_SECONDS", 0.02)
    stub.refusals = [(status, message)] * 10_000
    async with runs.engine():
        ending = await runs.ended()
    assert ending.outcome == "failed"
    assert ending.why.startswith(f"its Job cannot be made: the API server answered {status} to POST")
    assert said in ending.why


async def test_where_jobs_may_be_made_and_not_read_nothing_is_given_up(stub, runs):
    async with runs.engine():
        name = await stub.until_made()
        stub.refusing = {"jobs": 403, "pods": 403}
        await stub.hang_up()
        await trio.sleep(0.03)
        assert runs.ending is None
        stub.refusing = {}
        stub.begin(name)
        stub.end(name)
        assert await runs.ended() == Ending("succeeded")


async def test_a_job_that_cannot_be_made_in_time(stub, runs, pipeline, run, folder, cancel):
    stub.refusals = [(503, "later")] * 10_000
    runs._of = (run, msgspec.structs.replace(pipeline, time_limit=0.05), folder, cancel)
    async with runs.engine():
        await runs.until(lambda: len([each for each in stub.requests if each.method == "POST"]) > 1)
        ending = await runs.ended()
    assert ending == Ending("failed", "its Job could not be made within its time limit of 0.05 s")


async def test_what_no_job_can_have_is_told(stub, runs):
    stub.objects["pods", POD]["spec"]["volumes"] = []
    async with runs.engine():
        ending = await runs.ended()
    assert "is no claim" in ending.why


# ---- the log ----


async def test_a_log_that_breaks_off_is_gone_on_with(stub, runs):
    stub.breaks = [4, 6, 9]
    async with runs.engine():
        name = await stub.until_made()
        stub.write(stub.begin(name), b"0123456789")
        await runs.until(lambda: runs.log == b"0123456789")
        stub.end(name)
        await runs.ended()
    assert runs.log == b"0123456789"


async def test_of_a_long_log_beginning_and_end_are_kept(stub, runs, monkeypatch):
    monkeypatch.setattr(pod_log, "LOG_FIRST", 10)
    monkeypatch.setattr(pod_log, "LOG_LAST", 5)
    async with runs.engine():
        name = await stub.until_made()
        stub.write(stub.begin(name), b"a" * 10 + b"b" * 1000 + b"c" * 5)
        stub.end(name)
        await runs.ended()
    assert runs.log == b"a" * 10 + b"\n[port104: 1000 bytes were cut here]\n" + b"c" * 5


async def test_a_log_that_may_not_be_read_is_told_of_in_its_place(stub, runs, monkeypatch):
    async def refused(*_):
        return await stub._refuse(_[0], 403, "pods/log is forbidden")

    monkeypatch.setattr(stub, "_log", refused)
    async with runs.engine():
        name = await stub.until_made()
        stub.begin(name)
        stub.end(name)
        assert await runs.ended() == Ending("succeeded")
    assert b"[port104: the rest of the log cannot be had: the API server answered 403" in runs.log


async def test_a_log_ends_a_moment_before_its_container(stub, runs, monkeypatch):
    monkeypatch.setattr(pod_log, "AGAIN_SECONDS", 60.0)
    async with runs.engine():
        name = await stub.until_made()
        pod = stub.begin(name)
        stub.write(pod, b"all of it")
        await runs.until(lambda: runs.log)
        stub.writings[pod].ended = True
        stub.writings[pod].tell()
        await runs.until(lambda: stub.requests[-1].target.endswith(f"/pods/{pod}"))
        stub.end(name)
        assert await runs.ended() == Ending("succeeded")
    assert runs.log == b"all of it"


async def test_a_log_that_cannot_be_had_in_time_is_told_of_in_its_place(stub, runs, monkeypatch):
    async def failing(stream, *_):
        return await stub._refuse(stream, 500, "the node does not answer")

    monkeypatch.setattr(stub, "_log", failing)
    monkeypatch.setattr(module, "LOG_SECONDS", 0.05)
    async with runs.engine():
        name = await stub.until_made()
        stub.begin(name)
        stub.end(name)
        assert await runs.ended() == Ending("succeeded")
    assert b"[port104: the rest of the log cannot be had: the API server answered 500" in runs.log


# ---- the disk ----


async def test_a_folder_that_is_gone_fails_the_attempt_and_ends_its_job(stub, runs, folder):
    async with runs.engine():
        name = await stub.until_made()
        await runs.until((folder / MADE).exists)
        for file in (folder / MADE, folder / "manifest.json", folder / "dcm" / "1.2.3.dcm"):
            file.unlink()
        (folder / "dcm").rmdir()
        (folder / "output").rmdir()
        folder.rmdir()
        stub.begin(name)
        stub.end(name)
        ending = await runs.ended()
    assert ending.outcome == "failed"


async def test_a_folder_that_cannot_be_written_to_is_tried_again(stub, runs, folder, monkeypatch):
    monkeypatch.setattr(module, "TROUBLE_SECONDS", 0.005)
    full = [OSError(errno.ENOSPC, "No space left on device")] * 3
    write = attempt.write_whole

    def write_whole(file, content):
        if full:
            raise full.pop()
        write(file, content)

    monkeypatch.setattr(attempt, "write_whole", write_whole)
    async with runs.engine():
        with capture_logs() as logs:
            name = await stub.until_made()
            stub.begin(name)
            stub.end(name)
            assert await runs.ended() == Ending("succeeded")
    told = [each for each in logs if each["event"].startswith("an attempt's folder cannot be used")]
    assert [each["reason"] for each in told] == ["No space left on device"]
    assert stub.created == 1


async def test_output_that_cannot_be_kept_is_a_failure(stub, runs, monkeypatch):
    def sync_tree(_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(attempt, "sync_tree", sync_tree)
    async with runs.engine():
        name = await stub.until_made()
        stub.begin(name)
        stub.end(name)
        ending = await runs.ended()
    assert ending == Ending("failed", "what it left in output/ cannot be kept: Input/output error")


async def test_a_link_in_the_place_of_the_log_is_not_followed(stub, runs, folder, tmp_path):
    (folder / "log").symlink_to(tmp_path / "elsewhere")
    async with runs.engine():
        name = await stub.until_made()
        stub.write(stub.begin(name), b"one\n")
        stub.end(name)
        assert await runs.ended() == Ending("succeeded")
    assert not (tmp_path / "elsewhere").exists()
