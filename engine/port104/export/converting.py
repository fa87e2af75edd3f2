"""Files are converted for destinations that do not take them as they are: in a process of its own.

Rules that this room keeps:
- a conversion has its time, and the process its memory; one that hangs or dies ends with the process, and is
  told as what it is. The next one has a new process.
"""

import json
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from port104.export.contracts import UnsendableError

# An image of 2 GiB, twice, and the libraries.
_MEMORY = 6 * 1024**3
_PROGRAM = (sys.executable, "-m", "port104.storage.transcoding", str(_MEMORY))
# Minutes for thousands of frames; they hold up one association of one destination.
SECONDS = 300.0
# An answer says in a line what is wrong.
_LONGEST_ANSWER = 4096


class Converter:
    """Converts one file after another. `close` it. `seconds`: for each."""

    def __init__(self, program: Sequence[str] = _PROGRAM, seconds: float = SECONDS) -> None:
        self._program = program
        self._seconds = seconds
        self._process: trio.Process | None = None

    @asynccontextmanager
    async def converted(self, path: Path, transfer_syntax: str) -> AsyncIterator[Path]:
        """Give the file in this transfer syntax, while the block runs. Raises UnsendableError."""
        try:
            folder = await trio.to_thread.run_sync(lambda: tempfile.TemporaryDirectory(prefix="port104-"))
        except OSError as failure:
            raise UnsendableError(
                f"there is no room to convert it: {failure.strerror}", final=False
            ) from failure
        try:
            target = Path(folder.name) / "converted.dcm"
            order = {"source": str(path), "target": str(target), "syntax": transfer_syntax}
            if fault := await self._fault_of(json.dumps(order).encode() + b"\n"):
                raise UnsendableError(
                    f"the destination does not take its transfer syntax, and it cannot be converted: {fault}",
                    final=False,
                )
            yield target
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(folder.cleanup)

    async def close(self) -> None:
        """End the process. Never fails."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
                for pipe in filter(None, (process.stdin, process.stdout)):
                    await pipe.aclose()

    async def _fault_of(self, order: bytes) -> str:
        """What went wrong; empty: nothing."""
        answer = b""
        with trio.move_on_after(self._seconds) as scope:
            try:
                answer = await self._answer_to(order)
            except (trio.BrokenResourceError, OSError):
                answer = b""
        if answer.endswith(b"\n"):
            return str(json.loads(answer)["fault"])
        await self.close()
        if scope.cancelled_caught:
            return f"its conversion took more than {self._seconds:g} s"
        return "its conversion broke down: a decoder crashed, or wanted too much memory"

    async def _answer_to(self, order: bytes) -> bytes:
        if self._process is None:
            self._process = await trio.lowlevel.open_process(
                self._program, stdin=-1, stdout=-1, stderr=-3, start_new_session=True
            )
        process = self._process
        assert process.stdin is not None  # noqa: S101 - as it was asked for
        assert process.stdout is not None  # noqa: S101
        await process.stdin.send_all(order)
        answer = b""
        while not answer.endswith(b"\n") and len(answer) < _LONGEST_ANSWER:
            if not (some := await process.stdout.receive_some()):
                break
            answer += some
        return answer
