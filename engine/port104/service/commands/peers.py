"""The options of the commands that call a peer: who calls whom, over TLS or not, as whom, how patiently."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from port104.errors import LocalProtocolError
from port104.service.commands.faults import CommandError, WrongValuesError

if TYPE_CHECKING:
    from port104.net.calling import Address, Timeouts
    from port104.wire.items import UserIdentity
    from port104.wire.proposal import Proposal

_FILE = click.Path(path_type=Path, dir_okay=False)
_USER_AND_PASSCODE, _USER = 2, 1  # PS3.7 table D.3-14

_OPTIONS = (
    click.option(
        "-aet",
        "--calling-ae-title",
        "calling",
        metavar="TITLE",
        default="PORT104",
        help="AE title that calls; default: PORT104.",
    ),
    click.option(
        "-aec",
        "--called-ae-title",
        "called",
        metavar="TITLE",
        default="ANY-SCP",
        help="AE title that is called; default: ANY-SCP.",
    ),
    click.option("--tls", is_flag=True, help="Call over TLS."),
    click.option(
        "--tls-authorities",
        metavar="FILE",
        type=_FILE,
        help="Authorities (PEM) that may have signed the peer's certificate; default: the system's.",
    ),
    click.option(
        "--tls-certificate", metavar="FILE", type=_FILE, help="Certificate (PEM) to show to the peer."
    ),
    click.option("--tls-key", metavar="FILE", type=_FILE, help="Its key (PEM), where it is in another file."),
    click.option("--user", metavar="NAME", help="User name to give to the peer (PS3.7 D.3.3.7)."),
    click.option(
        "--passcode-file", metavar="FILE", type=_FILE, help="File whose first line is the user's passcode."
    ),
    click.option(
        "--timeout",
        metavar="SECONDS",
        type=click.FloatRange(min=0, min_open=True),
        help="For each step; default: 10 to connect, 30 to associate, 60 for a response.",
    ),
)


def peer_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the arguments and options that say who is called, and how."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def peer_arguments(command: Callable[..., None]) -> Callable[..., None]:
    """Add HOST and PORT."""
    command = click.argument("port", type=click.IntRange(1, 65535))(command)
    return click.argument("host")(command)


class PeerOptions:
    """What was given. Each property raises CommandError or ConfigurationError where that cannot be used."""

    def __init__(self, host: str, port: int, options: dict[str, Any]) -> None:
        """Take the options of `peer_options` out of all that were given."""
        self._host = host
        self._port = port
        names = (
            "calling", "called", "tls", "tls_authorities", "tls_certificate", "tls_key", "user",
            "passcode_file", "timeout",
        )  # fmt: skip
        self._given = {name: options.pop(name) for name in names}

    @property
    def name(self) -> str:
        """Write whom, for people."""
        return f"{self._given['called']}@{self._host}:{self._port}"

    def address(self) -> "Address":
        """Where to call; TLS is asked for by --tls, or by any file for it."""
        from port104.net.calling import Address  # noqa: PLC0415 - help does not need it

        given = self._given
        if not any(given[name] for name in ("tls", "tls_authorities", "tls_certificate")):
            return Address(self._host, self._port)
        from port104.net.credentials import TLSFiles, build_calling_context  # noqa: PLC0415 - TLS alone does

        certificate = given["tls_certificate"]
        own = TLSFiles(certificate=certificate, key=given["tls_key"]) if certificate else None
        context = build_calling_context(authorities=given["tls_authorities"], own=own)
        return Address(self._host, self._port, context)

    def proposal(self, window: int = 1) -> "Proposal":
        """What to ask for: Verification, in whose place other contexts may be put."""
        from port104.wire.proposal import (  # noqa: PLC0415 - help does not need it
            VERIFICATION,
            Proposal,
            associate_request,
        )

        proposal = Proposal(
            calling_ae_title=self._given["calling"],
            called_ae_title=self._given["called"],
            syntaxes=(VERIFICATION,),
            window=window,
            user_identity=self._identity(),
        )
        try:
            associate_request(proposal)
        except LocalProtocolError as fault:
            raise WrongValuesError(f"{fault}: -aet and -aec name them") from fault
        return proposal

    def timeouts(self) -> "Timeouts":
        """How long each step may take."""
        from port104.net.calling import Timeouts  # noqa: PLC0415 - help does not need it

        seconds = self._given["timeout"]
        if seconds is None:
            return Timeouts()
        return Timeouts(connect=seconds, associate=seconds, send=seconds, response=seconds)

    def _identity(self) -> "UserIdentity | None":
        from port104.wire.items import UserIdentity  # noqa: PLC0415 - help does not need it

        user, file = self._given["user"], self._given["passcode_file"]
        if user is None:
            return None
        name = user.encode()
        if file is None:
            return UserIdentity(_USER, positive_response_requested=False, primary=name)
        try:
            passcode = file.read_bytes().partition(b"\n")[0].rstrip(b"\r")
        except OSError as failure:
            raise CommandError(f"--passcode-file {file} cannot be read: {failure.strerror}") from failure
        return UserIdentity(
            _USER_AND_PASSCODE, positive_response_requested=False, primary=name, secondary=passcode
        )
