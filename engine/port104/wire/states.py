"""The state machine of the upper layer: PS3.8 table 9-10 as data, for both roles.

(event, state) -> action; the action fixes the next state, but for AR-8, which depends on the role. A pair
that is missing cannot occur: a local primitive that the state forbids, or a PDU while no
transport connection exists.

AE-6 may also refuse a request without asking the local user. Here the local user is asked always, and
refuses by AE-8: the peer receives the same A-ASSOCIATE-RJ.
"""

import enum


class State(enum.IntEnum):
    """PS3.8 9.2.1, tables 9-1 to 9-5."""

    STA1 = 1  # idle
    STA2 = 2  # transport connection open, awaiting A-ASSOCIATE-RQ
    STA3 = 3  # awaiting local A-ASSOCIATE response
    STA4 = 4  # awaiting transport connection opening to complete
    STA5 = 5  # awaiting A-ASSOCIATE-AC or -RJ
    STA6 = 6  # association established, ready for data transfer
    STA7 = 7  # awaiting A-RELEASE-RP
    STA8 = 8  # awaiting local A-RELEASE response
    STA9 = 9  # release collision, requestor; awaiting local A-RELEASE response
    STA10 = 10  # release collision, acceptor; awaiting A-RELEASE-RP
    STA11 = 11  # release collision, requestor; awaiting A-RELEASE-RP
    STA12 = 12  # release collision, acceptor; awaiting local A-RELEASE response
    STA13 = 13  # awaiting transport connection close; association no longer exists


class Evt(enum.IntEnum):
    """PS3.8 table 9-10, rows."""

    EVT1 = 1  # A-ASSOCIATE request (local user)
    EVT2 = 2  # transport connection confirmation
    EVT3 = 3  # A-ASSOCIATE-AC received
    EVT4 = 4  # A-ASSOCIATE-RJ received
    EVT5 = 5  # transport connection indication
    EVT6 = 6  # A-ASSOCIATE-RQ received
    EVT7 = 7  # A-ASSOCIATE response (accept)
    EVT8 = 8  # A-ASSOCIATE response (reject)
    EVT9 = 9  # P-DATA request
    EVT10 = 10  # P-DATA-TF received
    EVT11 = 11  # A-RELEASE request
    EVT12 = 12  # A-RELEASE-RQ received
    EVT13 = 13  # A-RELEASE-RP received
    EVT14 = 14  # A-RELEASE response
    EVT15 = 15  # A-ABORT request
    EVT16 = 16  # A-ABORT received
    EVT17 = 17  # transport connection closed
    EVT18 = 18  # ARTIM timer expired
    EVT19 = 19  # unrecognised or invalid PDU received


class Action(enum.Enum):
    """PS3.8 tables 9-6 to 9-9; what each does stands in association.py, under the same name."""

    AE_1 = "AE-1"  # issue transport connect request
    AE_2 = "AE-2"  # send A-ASSOCIATE-RQ
    AE_3 = "AE-3"  # issue A-ASSOCIATE confirmation (accept)
    AE_4 = "AE-4"  # issue A-ASSOCIATE confirmation (reject), close
    AE_5 = "AE-5"  # issue transport connection response, start ARTIM
    AE_6 = "AE-6"  # stop ARTIM, issue A-ASSOCIATE indication
    AE_7 = "AE-7"  # send A-ASSOCIATE-AC
    AE_8 = "AE-8"  # send A-ASSOCIATE-RJ, start ARTIM
    DT_1 = "DT-1"  # send P-DATA-TF
    DT_2 = "DT-2"  # issue P-DATA indication
    AR_1 = "AR-1"  # send A-RELEASE-RQ
    AR_2 = "AR-2"  # issue A-RELEASE indication
    AR_3 = "AR-3"  # issue A-RELEASE confirmation, close
    AR_4 = "AR-4"  # send A-RELEASE-RP, start ARTIM
    AR_5 = "AR-5"  # stop ARTIM
    AR_6 = "AR-6"  # issue P-DATA indication
    AR_7 = "AR-7"  # send P-DATA-TF
    AR_8 = "AR-8"  # issue A-RELEASE indication (release collision)
    AR_9 = "AR-9"  # send A-RELEASE-RP
    AR_10 = "AR-10"  # issue A-RELEASE confirmation
    AA_1 = "AA-1"  # send A-ABORT, (re)start ARTIM
    AA_2 = "AA-2"  # stop ARTIM, close
    AA_3 = "AA-3"  # issue A-ABORT or A-P-ABORT indication, close
    AA_4 = "AA-4"  # issue A-P-ABORT indication
    AA_5 = "AA-5"  # stop ARTIM
    AA_6 = "AA-6"  # ignore PDU
    AA_7 = "AA-7"  # send A-ABORT
    AA_8 = "AA-8"  # send A-ABORT, issue A-P-ABORT indication, start ARTIM


# States of the columns Sta1 ... Sta13, read left to right; "-" cannot occur.
_ROWS = {
    Evt.EVT1: " AE-1 -    -    -    -    -    -    -    -    -    -     -    -    ",
    Evt.EVT2: " -    -    -    AE-2 -    -    -    -    -    -    -     -    -    ",
    Evt.EVT3: " -    AA-1 AA-8 -    AE-3 AA-8 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8 AA-6 ",
    Evt.EVT4: " -    AA-1 AA-8 -    AE-4 AA-8 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8 AA-6 ",
    Evt.EVT5: " AE-5 -    -    -    -    -    -    -    -    -    -     -    -    ",
    Evt.EVT6: " -    AE-6 AA-8 -    AA-8 AA-8 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8 AA-7 ",
    Evt.EVT7: " -    -    AE-7 -    -    -    -    -    -    -    -     -    -    ",
    Evt.EVT8: " -    -    AE-8 -    -    -    -    -    -    -    -     -    -    ",
    Evt.EVT9: " -    -    -    -    -    DT-1 -    AR-7 -    -    -     -    -    ",
    Evt.EVT10: "-    AA-1 AA-8 -    AA-8 DT-2 AR-6 AA-8 AA-8 AA-8 AA-8  AA-8 AA-6 ",
    Evt.EVT11: "-    -    -    -    -    AR-1 -    -    -    -    -     -    -    ",
    Evt.EVT12: "-    AA-1 AA-8 -    AA-8 AR-2 AR-8 AA-8 AA-8 AA-8 AA-8  AA-8 AA-6 ",
    Evt.EVT13: "-    AA-1 AA-8 -    AA-8 AA-8 AR-3 AA-8 AA-8 AR-10 AR-3 AA-8 AA-6 ",
    Evt.EVT14: "-    -    -    -    -    -    -    AR-4 AR-9 -    -     AR-4 -    ",
    Evt.EVT15: "-    -    AA-1 AA-2 AA-1 AA-1 AA-1 AA-1 AA-1 AA-1 AA-1  AA-1 -    ",
    Evt.EVT16: "-    AA-2 AA-3 -    AA-3 AA-3 AA-3 AA-3 AA-3 AA-3 AA-3  AA-3 AA-2 ",
    Evt.EVT17: "-    AA-5 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4  AA-4 AR-5 ",
    Evt.EVT18: "-    AA-2 -    -    -    -    -    -    -    -    -     -    AA-2 ",
    Evt.EVT19: "-    AA-1 AA-8 -    AA-8 AA-8 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8 AA-7 ",
}

TRANSITIONS: dict[tuple[Evt, State], Action] = {
    (event, state): Action(cell)
    for event, row in _ROWS.items()
    for state, cell in zip(State, row.split(), strict=True)
    if cell != "-"
}

# The state after an action; AR-8 is not here: see next_state.
_NEXT = {
    State.STA1: (
        Action.AE_4, Action.AR_3, Action.AR_5, Action.AA_2, Action.AA_3, Action.AA_4, Action.AA_5,
    ),
    State.STA2: (Action.AE_5,),
    State.STA3: (Action.AE_6,),
    State.STA4: (Action.AE_1,),
    State.STA5: (Action.AE_2,),
    State.STA6: (Action.AE_3, Action.AE_7, Action.DT_1, Action.DT_2),
    State.STA7: (Action.AR_1, Action.AR_6),
    State.STA8: (Action.AR_2, Action.AR_7),
    State.STA11: (Action.AR_9,),
    State.STA12: (Action.AR_10,),
    State.STA13: (
        Action.AE_8, Action.AR_4, Action.AA_1, Action.AA_6, Action.AA_7, Action.AA_8,
    ),
}  # fmt: skip
_AFTER = {action: state for state, actions in _NEXT.items() for action in actions}


def next_state(action: Action, *, is_requestor: bool) -> State:
    """The state after `action`.

    `is_requestor`: who requested the association, which AR-8 (release collision) depends on.
    """
    if action is Action.AR_8:
        return State.STA9 if is_requestor else State.STA10
    return _AFTER[action]
