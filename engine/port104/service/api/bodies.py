"""Bodies of requests: strict JSON objects, so that what was meant and what is done are the same."""

import json

import msgspec
import trio

from port104.service.api.problems import FieldFault, ProblemError, refuse
from port104.service.api.resources import Asks
from port104.service.documents import Pairs

MOST_BYTES = 1024 * 1024
# What takes longer than a millisecond is not read on the event loop.
_LARGE = 32 * 1024


async def read_object(request: Asks) -> Pairs:
    """Read the object in the body, with what is known of duplicate keys. Raises ProblemError."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise refuse(415, "media-type", "the body must be JSON: send Content-Type: application/json")
    body = await request.body()
    if len(body) > _LARGE:
        return await trio.to_thread.run_sync(parse, body)
    return parse(body)


def parse(body: bytes) -> Pairs:
    """Read an object; of its objects' keys that are given twice it knows (Pairs). Raises ProblemError."""
    try:
        msgspec.json.decode(body)  # stricter than json: it knows no NaN, and no half characters
        document = json.loads(body, object_pairs_hook=Pairs.of)
    except RecursionError:
        raise _malformed("it is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeError, ValueError) as fault:
        raise _malformed(str(fault)) from None
    if not isinstance(document, Pairs):
        raise _malformed("it must be an object: {...}")
    return document


def _malformed(why: str) -> ProblemError:
    return refuse(
        400, "malformed", f"the body is not a JSON object as it must be: {why}", FieldFault("", why)
    )
