"""The engine as a whole: to drain it, and how it is."""

from collections.abc import Iterator

from port104.service.api import drain, health, metrics
from port104.service.api.operations.operation import Operation, ref


def of_drain() -> Iterator[Operation]:
    """Draining it."""
    for method, summary, scope in (
        ("get", "How far port104 is drained, and what has not come to its end", "read"),
        (
            "post",
            "Drain it: it takes no instance any more, over restarts, and may be taken away",
            "admin",
        ),
        ("delete", "Let instances in again", "admin"),
    ):
        yield Operation(
            path=drain.PATH,
            method=method,
            summary=summary,
            scope=scope,
            answers=(200, "what remains", ref("Draining")),
            problems=(400, 503),
        )


def of_health() -> Iterator[Operation]:
    """How it is."""
    for what, summary, problems in (
        ("live", "Whether the process answers", ()),
        ("ready", "Whether associations may be sent here", (503,)),
    ):
        yield Operation(
            path=f"{health.PATH}/{what}",
            method="get",
            summary=summary,
            scope="",
            answers=(200, health.HEALTHY, {"type": "string"}),
            problems=problems,
            media_type="text/plain",
        )
    yield Operation(
        path=f"{health.PATH}/status",
        method="get",
        summary="How port104 is",
        answers=(200, "everything at once", ref("Status")),
        problems=(400,),
    )
    yield Operation(
        path=metrics.PATH,
        method="get",
        summary="Figures for Prometheus: how port104 is, what came, what is to be done, delivery",
        answers=(200, "in its text format", {"type": "string"}),
        problems=(400,),
        media_type="text/plain",
    )
