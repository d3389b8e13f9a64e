"""The same attacker at the customer's log and in the engineer's place, and the answers that a gateway must give."""

from dataclasses import replace

from openlockbox.grants.grant import LogDocument
from openlockbox.verification.logged import Witnessed
from tests.unit.grants.log_material import NaiveLog, cosigned, vkey
from tests.unit.grants.material import (
    ADA,
    DECIDED,
    ENGINEER,
    GRANTS,
    ROSTER,
    SECOND_WITNESS,
    STRANGER,
    STRICT,
    TENANT,
    WITNESS,
    Case,
    displayed,
    evidence_for,
    grant,
    log_with,
    logged,
    pin_of,
    presence,
    roster,
    signed,
    signed_roster,
    statement,
    strict_case,
    strict_grant,
)

APPROVED = signed(statement(shown=STRICT))
LOG = log_with(APPROVED)


WITNESS_KEYS = sorted([vkey("witness.example", 4, WITNESS), vkey("witness.other", 4, SECOND_WITNESS)])
WITNESSED_ROSTER = roster(witnesses=list(WITNESS_KEYS), witness_quorum=2)
AT = int(DECIDED.timestamp())


def _logged(document: LogDocument, log: NaiveLog = LOG) -> Case:
    given = strict_grant(log=document)
    return strict_case(given, log=log)


def _forked() -> Case:
    """Show a log in which an entry that the gateway saw was replaced."""
    other = NaiveLog(TENANT)
    other.append("request.created", "request:another", at=DECIDED)
    for leaf in LOG.leaves[1:]:
        other.leaves.append(leaf)
    given = strict_grant(log=logged(other))
    return strict_case(given, log=other, pin=pin_of(ROSTER, LOG))


def _rolled_back() -> Case:
    """Show the log as it was before the entries that the gateway saw, and no proof between."""
    case = strict_case(pin=pin_of(ROSTER, LOG, 7))
    return replace(case, evidence=replace(case.evidence, consistency=()))


def _split_view() -> Case:
    """Show this gateway, which pinned seven entries, a log of the same size with another entry."""
    other = NaiveLog(TENANT, LOG.leaves[:6])
    other.append("session.started", "session:hidden", at=DECIDED)
    given = strict_grant(log=logged(other, size=7))
    return strict_case(given, log=other, pin=pin_of(ROSTER, LOG, 7))


def _witnessed(note: str | None, *, log: NaiveLog = LOG, size: int = 6) -> Case:
    case = strict_case(rosters=(signed_roster(WITNESSED_ROSTER),), pin=pin_of(WITNESSED_ROSTER, LOG))
    shown = None
    if note is not None:
        shown = Witnessed(
            checkpoint=note,
            inclusion=tuple(log.inclusion(2, size)),
            consistency=tuple(log.consistency(2, size)),
        )
    return replace(case, evidence=replace(case.evidence, witnessed=shown))


def _witness_behind() -> Case:
    """Show what the witnesses saw before the gateway's last session: the approval, but not that session's start."""
    shown = Witnessed(
        checkpoint=_note(size=4), inclusion=tuple(LOG.inclusion(2, 4)), consistency=tuple(LOG.consistency(4, 7))
    )
    rosters = (signed_roster(WITNESSED_ROSTER),)
    evidence = replace(evidence_for(strict_grant(), LOG, rosters=rosters, size=7), witnessed=shown)
    return strict_case(pin=pin_of(WITNESSED_ROSTER, LOG, 7), evidence=evidence)


def _note(*, log: NaiveLog = LOG, size: int = 6, names: int = 2) -> str:
    from tests.unit.grants.material import CHECKPOINTS

    note = log.checkpoint(CHECKPOINTS, size)
    for name, key in (("witness.example", WITNESS), ("witness.other", SECOND_WITNESS))[:names]:
        note = cosigned(note, name, key, at=AT)
    return note


def _forked_after_pin() -> NaiveLog:
    other = NaiveLog(TENANT)
    other.append("request.created", "request:another", at=DECIDED)
    other.leaves.extend(LOG.leaves[1:])
    return other


def _other_leaf(**changes: object) -> LogDocument:
    log = log_with(APPROVED)
    entry = NaiveLog(TENANT, log.leaves[:2])
    fields = {"action": "request.approved", "subject": "request:lr-1", "document": _document()}
    named = {**fields, **{name: value for name, value in changes.items() if name in fields}}
    rest = {name: value for name, value in changes.items() if name not in fields}
    entry.append(named["action"], named["subject"], at=DECIDED, document=named["document"], **rest)
    entry.leaves.extend(log.leaves[3:])
    return logged(entry)


def _document() -> str:
    from openlockbox.grants.grant import signed_decision

    return signed_decision(APPROVED)


def _keyless(text: str, shown: str, **changes: object) -> Case:
    return strict_case(grant(shown=shown, decision=signed(text)), presence=None, **changes)


KEYLESS = displayed(roster_version=1)

# name: (what it is, the case, the answer)
LOG_CASES: dict[str, tuple[str, Case, str]] = {
    "good_witnessed": ("Both witnesses saw the log with the approval.", _witnessed(_note()), "ok"),
    # ---- the log ----
    "proof_for_other_entry": (
        "The inclusion of another entry.",
        _logged(logged(LOG, 3)),
        "approval_not_logged",
    ),
    "entry_of_other_request": (
        "The log holds the approval of another request.",
        _logged(_other_leaf(subject="request:lr-2")),
        "approval_not_logged",
    ),
    "entry_of_other_action": (
        "The log holds a denial.",
        _logged(_other_leaf(action="request.denied")),
        "approval_not_logged",
    ),
    "entry_of_other_decision": (
        "The log holds another decision than the grant carries.",
        _logged(_other_leaf(document="another")),
        "approval_not_logged",
    ),
    "entry_of_other_tenant": (
        "The entry stands in another tenant's log.",
        _logged(_other_leaf(tenant="fabrikam")),
        "approval_not_logged",
    ),
    "entry_at_other_index": (
        "The entry says that it stands elsewhere.",
        _logged(_other_leaf(index=7)),
        "approval_not_logged",
    ),
    "entry_unreadable": (
        "Bytes that are no entry.",
        _logged(replace(logged(LOG), leaf=b"{}")),
        "approval_not_logged",
    ),
    "entry_not_in_log": (
        "An entry that the checkpoint's log does not hold.",
        _logged(replace(logged(LOG), leaf=_other_leaf(actor="somebody").leaf)),
        "inclusion_wrong",
    ),
    "proof_cut_short": (
        "A proof with a hash too few.",
        _logged(replace(logged(LOG), proof=logged(LOG).proof[:-1])),
        "inclusion_wrong",
    ),
    "checkpoint_forged": (
        "A checkpoint that a stranger signed.",
        _logged(logged(LOG, key=STRANGER)),
        "checkpoint_wrong",
    ),
    "checkpoint_by_grants_key": (
        "A checkpoint that the grants key signed, which has no say in logs.",
        _logged(logged(LOG, key=GRANTS)),
        "checkpoint_wrong",
    ),
    "checkpoint_of_other_tenant": (
        "Another tenant's checkpoint over the same entries.",
        _logged(replace(logged(LOG), checkpoint=logged(NaiveLog("fabrikam", LOG.leaves)).checkpoint)),
        "checkpoint_wrong",
    ),
    "log_rolled_back": ("A log that ends before what the gateway saw.", _rolled_back(), "log_rolled_back"),
    "log_forked": ("A log in which an old entry was replaced.", _forked(), "log_forked"),
    "log_split_view": ("Another log of the same size for this gateway.", _split_view(), "log_forked"),
    "log_without_proof": (
        "A longer log without a proof that it extends the pinned one.",
        replace(strict_case(), evidence=replace(strict_case().evidence, consistency=())),
        "log_forked",
    ),
    "witness_missing": ("The roster asks for witnesses and none is shown.", _witnessed(None), "witness_missing"),
    "witness_too_few": ("One witness where two are asked for.", _witnessed(_note(names=1)), "witness_missing"),
    "witness_of_other_log": (
        "Witnesses signed a log that does not fit what the gateway saw.",
        _witnessed(_note(log=_forked_after_pin()), log=_forked_after_pin()),
        "log_forked",
    ),
    "witness_before_approval": (
        "Witnesses signed the log as it was before the approval.",
        _witnessed(_note(size=2), size=6),
        "inclusion_wrong",
    ),
    "witness_behind_the_gateway": (
        "Witnesses who were not shown what the gateway was shown, such as the start of its last session.",
        _witness_behind(),
        "witness_missing",
    ),
    "witness_checkpoint_forged": (
        "Witnesses under a checkpoint that a stranger signed.",
        _witnessed(cosigned(LOG.checkpoint(STRANGER, 6), "witness.example", WITNESS, at=AT)),
        "checkpoint_wrong",
    ),
    # ---- the engineer's presence ----
    "presence_missing": (
        "A stolen web server connects in the engineer's name.",
        strict_case(presence=None),
        "presence_missing",
    ),
    "presence_by_other_key": (
        "Another key than the displayed one.",
        strict_case(presence=presence(STRANGER)),
        "presence_wrong",
    ),
    "presence_by_approver": (
        "The approver's key in the engineer's place.",
        strict_case(presence=presence(ADA)),
        "presence_wrong",
    ),
    "presence_replayed": (
        "The proof of an earlier session.",
        strict_case(presence=presence(session_id="se-0")),
        "presence_wrong",
    ),
    "presence_for_other_gateway": (
        "A proof that another gateway asked for.",
        strict_case(presence=presence(gateway_id="gw-2")),
        "presence_wrong",
    ),
    "presence_for_other_grant": (
        "A proof for another access.",
        strict_case(presence=presence(grant_id="gr-2")),
        "presence_wrong",
    ),
    "presence_unreadable": (
        "Something else in place of the gateway's statement.",
        strict_case(presence=replace(presence(ENGINEER), statement="{}")),
        "presence_wrong",
    ),
    "presence_key_missing": (
        "An engineer without a key, where the tenant has a roster.",
        _keyless(statement(shown=KEYLESS, roster_version=1), KEYLESS),
        "presence_key_missing",
    ),
}
