"""Every case, in the order of the reference."""

from hostile.cases import (
    before,
    commands,
    commitment,
    encodings,
    ending,
    established,
    identity,
    instances,
    items,
    records,
    request,
    together,
    user_information,
)

CASES = tuple(
    sorted(
        (
            *before.CASES,
            *records.CASES,
            *request.CASES,
            *items.CASES,
            *user_information.CASES,
            *together.CASES,
            *identity.CASES,
            *established.CASES,
            *commands.CASES,
            *instances.CASES,
            *encodings.CASES,
            *ending.CASES,
            *commitment.CASES,
        ),
        key=lambda case: case.number,
    )
)
