"""Bodies of requests: strict JSON objects, so that what was meant and what is done are the same.

Nothing of a body is looked at on the event loop: what a megabyte can hold takes seconds to check.
"""

import json
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import Any, TypeVar

import msgspec
import trio

from port104.service.api.problems import FieldFault, ProblemError, refuse
from port104.service.api.resources import Asks
from port104.service.documents import Pairs

MOST_BYTES = 1024 * 1024
# Of one object. For each unknown key the nearest known one is looked for: a quarter of a millisecond.
_MOST_KEYS = 1000

ReadT = TypeVar("ReadT")


async def read_body(request: Asks, read: Callable[[Pairs], ReadT]) -> ReadT:
    """Return what `read` makes, in a worker thread, of the object in the body.

    Raises ProblemError, and what `read` raises.
    """
    if media_type_of(request) != "application/json":
        raise refuse(415, "media-type", "the body must be JSON: send Content-Type: application/json")
    body = b"".join([part async for part in parts_of(request, MOST_BYTES)])
    return await trio.to_thread.run_sync(lambda: read(parse(body)))


def media_type_of(request: Asks) -> str:
    """What the body is said to be."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def parts_of(request: Asks, most: int) -> AsyncGenerator[bytes, None]:
    """Read the body as it comes. Raises ProblemError once it has more bytes than `most`."""
    size = 0
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > most:
        raise _too_large(most)
    async with aclosing(request.stream()) as parts:
        async for part in parts:
            size += len(part)
            if size > most:
                raise _too_large(most)
            yield part


def _too_large(most: int) -> ProblemError:
    return refuse(413, "too-large", f"the body has more than {most} bytes")


def parse(body: bytes) -> Pairs:
    """Read an object; of its objects' keys that are given twice it knows (Pairs). Raises ProblemError."""
    try:
        msgspec.json.decode(body)  # stricter than json: it knows no NaN, and no half characters
        document = json.loads(body, object_pairs_hook=_object_of)
    except RecursionError:
        raise _malformed("it is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeError, ValueError) as fault:
        raise _malformed(str(fault)) from None
    if not isinstance(document, Pairs):
        raise _malformed("it must be an object: {...}")
    return document


def _object_of(pairs: Iterable[tuple[str, Any]]) -> Pairs:
    made = Pairs.of(pairs)
    if len(made) > _MOST_KEYS:
        raise ValueError(f"an object in it has {len(made)} keys, at most {_MOST_KEYS} are read")
    return made


def _malformed(why: str) -> ProblemError:
    return refuse(
        400, "malformed", f"the body is not a JSON object as it must be: {why}", FieldFault("", why)
    )
