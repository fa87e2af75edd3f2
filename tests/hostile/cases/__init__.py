"""Every case, in the order of the reference."""

from hostile.cases import (
    before,
    commands,
    ending,
    established,
    identity,
    instances,
    items,
    request,
    user_information,
)

CASES = tuple(
    sorted(
        (
            *before.CASES,
            *request.CASES,
            *items.CASES,
            *user_information.CASES,
            *identity.CASES,
            *established.CASES,
            *commands.CASES,
            *instances.CASES,
            *ending.CASES,
        ),
        key=lambda case: case.number,
    )
)
