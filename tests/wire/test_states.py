"""Every cell of PS3.8 table 9-10, written down here a second time, the other way round: by action."""

import pytest
from pynetdicom import fsm

from port104.wire.states import TRANSITIONS, Action, Evt, State, next_state

EVENTS = range(1, 20)
STATES = range(1, 14)

# Action -> the cells (event, state) in which table 9-10 shows it.
CELLS: dict[str, set[tuple[int, int]]] = {
    "AE-1": {(1, 1)},
    "AE-2": {(2, 4)},
    "AE-3": {(3, 5)},
    "AE-4": {(4, 5)},
    "AE-5": {(5, 1)},
    "AE-6": {(6, 2)},
    "AE-7": {(7, 3)},
    "AE-8": {(8, 3)},
    "DT-1": {(9, 6)},
    "DT-2": {(10, 6)},
    "AR-1": {(11, 6)},
    "AR-2": {(12, 6)},
    "AR-3": {(13, 7), (13, 11)},
    "AR-4": {(14, 8), (14, 12)},
    "AR-5": {(17, 13)},
    "AR-6": {(10, 7)},
    "AR-7": {(9, 8)},
    "AR-8": {(12, 7)},
    "AR-9": {(14, 9)},
    "AR-10": {(13, 10)},
    "AA-1": {(3, 2), (4, 2), (10, 2), (12, 2), (13, 2), (19, 2)}
    | {(15, state) for state in (3, 5, 6, 7, 8, 9, 10, 11, 12)},
    "AA-2": {(15, 4), (16, 2), (16, 13), (18, 2), (18, 13)},
    "AA-3": {(16, state) for state in (3, 5, 6, 7, 8, 9, 10, 11, 12)},
    "AA-4": {(17, state) for state in (3, 4, 5, 6, 7, 8, 9, 10, 11, 12)},
    "AA-5": {(17, 2)},
    "AA-6": {(event, 13) for event in (3, 4, 10, 12, 13)},
    "AA-7": {(6, 13), (19, 13)},
    "AA-8": {(event, 3) for event in (3, 4, 6, 10, 12, 13, 19)}
    | {(event, 5) for event in (6, 10, 12, 13, 19)}
    | {(event, 6) for event in (3, 4, 6, 13, 19)}
    | {(event, 7) for event in (3, 4, 6, 19)}
    | {(event, 8) for event in (3, 4, 6, 10, 12, 13, 19)}
    | {(event, 9) for event in (3, 4, 6, 10, 12, 13, 19)}
    | {(event, 10) for event in (3, 4, 6, 10, 12, 19)}
    | {(event, 11) for event in (3, 4, 6, 10, 12, 19)}
    | {(event, 12) for event in (3, 4, 6, 10, 12, 13, 19)},
}
ACTION_IN = {cell: action for action, cells in CELLS.items() for cell in cells}

# Tables 9-6 to 9-9: the state after each action; the two that choose have a test of their own.
NEXT = {
    "AE-1": 4,
    "AE-2": 5,
    "AE-3": 6,
    "AE-4": 1,
    "AE-5": 2,
    "AE-6": 3,
    "AE-7": 6,
    "AE-8": 13,
    "DT-1": 6,
    "DT-2": 6,
    "AR-1": 7,
    "AR-2": 8,
    "AR-3": 1,
    "AR-4": 13,
    "AR-5": 1,
    "AR-6": 7,
    "AR-7": 8,
    "AR-9": 11,
    "AR-10": 12,
    "AA-1": 13,
    "AA-2": 1,
    "AA-3": 1,
    "AA-4": 1,
    "AA-5": 1,
    "AA-6": 13,
    "AA-7": 13,
    "AA-8": 13,
}


@pytest.mark.parametrize(
    ("event", "state"),
    [pytest.param(event, state, id=f"Evt{event}-Sta{state}") for event in EVENTS for state in STATES],
)
def test_cell(event: int, state: int) -> None:
    action = TRANSITIONS.get((Evt(event), State(state)))
    shown = action and action.value
    assert shown == ACTION_IN.get((event, state))
    assert shown == fsm.TRANSITION_TABLE.get((f"Evt{event}", f"Sta{state}"))


def test_no_cell_stands_here_under_two_actions() -> None:
    assert sum(map(len, CELLS.values())) == len(ACTION_IN)


def test_every_action_of_the_standard_is_used() -> None:
    assert {action.value for action in Action} == set(CELLS) == set(fsm.ACTIONS)


@pytest.mark.parametrize("is_requestor", [True, False], ids=["requestor", "acceptor"])
@pytest.mark.parametrize(("action", "state"), NEXT.items(), ids=NEXT)
def test_state_after_action(action: str, state: int, is_requestor: bool) -> None:
    assert next_state(Action(action), is_requestor=is_requestor) is State(state)


@pytest.mark.parametrize(("is_requestor", "state"), [(True, 9), (False, 10)], ids=["requestor", "acceptor"])
def test_a_release_collision_leads_each_role_elsewhere(is_requestor: bool, state: int) -> None:
    assert next_state(Action.AR_8, is_requestor=is_requestor) is State(state)


def test_enumerations_count_as_the_standard_does() -> None:
    assert [event.value for event in Evt] == list(EVENTS)
    assert [state.value for state in State] == list(STATES)
