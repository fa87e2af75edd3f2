"""What `port104 echo` does."""

import msgspec
import trio

from port104.net.verification import verify
from port104.service.commands.output import print_document, print_rows
from port104.service.commands.peers import PeerOptions
from port104.wire.status import words_of


class Answer(msgspec.Struct, frozen=True):
    """Seconds of the association's establishment, TLS included, and of the C-ECHO."""

    peer: str
    status: int
    words: str
    associated: float
    answered: float


def ask(options: PeerOptions, output: str) -> None:
    """Ask, and print the answer. Raises what fails."""
    answer = trio.run(_ask, options)
    if output != "table":
        print_document(msgspec.to_builtins(answer), output)
        return
    print_rows(
        ("peer", "status", "", "association", "C-ECHO"),
        [
            (
                answer.peer,
                f"{answer.status:04X}",
                answer.words,
                f"{answer.associated * 1000:.1f} ms",
                f"{answer.answered * 1000:.1f} ms",
            )
        ],
    )


async def _ask(options: PeerOptions) -> Answer:
    found = await verify(options.address(), options.proposal(), options.timeouts())
    return Answer(options.name, found.status, words_of(found.status), found.associated, found.answered)
