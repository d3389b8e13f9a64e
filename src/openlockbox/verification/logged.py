"""Is it in the customer's log, and does that log extend what was seen before? Steps 20 to 24, and a session's start. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, NamedTuple

from openlockbox.activitylog.entry import hash_leaf
from openlockbox.activitylog.note import Checkpoint, NoteRefused, cosignatures, open_checkpoint, origin_of, verifier_key
from openlockbox.activitylog.tree import ProofRefused, verify_consistency, verify_inclusion
from openlockbox.grants.encoding import parse_instant
from openlockbox.grants.grant import GrantDocument, signed_decision
from openlockbox.grants.keys import public_bytes
from openlockbox.grants.pin import TenantPin
from openlockbox.grants.roster import Roster
from openlockbox.grants.session_start import SessionStart
from openlockbox.grants.statement import digest
from openlockbox.grants.trust import TrustBundle
from openlockbox.grants.verify import VerificationRefused, refuse_unless
from openlockbox.verification.leaves import Leaf, LeafRefused, read_leaf

APPROVED: Final = "request.approved"
STARTED: Final = "session.started"
START_TOLERANCE: Final = timedelta(minutes=1)  # between two clocks, and for the call


class StartEntry(NamedTuple):
    """What an entry of a session's start says beside the start itself. The key is base64url, as it was enrolled."""

    resource_id: str
    gateway_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessed:
    """A checkpoint with its witnesses' signatures, the approval's inclusion in it, and its consistency with the pin."""

    checkpoint: str
    inclusion: tuple[bytes, ...]
    consistency: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An entry as the control plane shows it: its place and leaf, a checkpoint, and the proofs."""

    index: int
    leaf: bytes
    checkpoint: str
    inclusion: tuple[bytes, ...]
    consistency: tuple[bytes, ...]


def read_checkpoint(text: str, tenant_id: str, trust: TrustBundle) -> Checkpoint:
    """Check that a checkpoint of this tenant's log is signed by one of the provider's checkpoint keys.

    Raises:
        VerificationRefused: `checkpoint_wrong`.
    """
    origin = origin_of(tenant_id)
    try:
        return open_checkpoint(
            text, [verifier_key(origin, public_bytes(key)) for key in trust.checkpoint_keys.values()]
        )
    except NoteRefused as error:
        raise VerificationRefused("checkpoint_wrong", str(error)) from error


def _include(leaf: bytes, index: int, proof: Sequence[bytes], checkpoint: Checkpoint) -> None:
    try:
        verify_inclusion(hash_leaf(leaf), index, checkpoint.size, list(proof), checkpoint.root)
    except ProofRefused as error:
        raise VerificationRefused("inclusion_wrong", error.code) from error


def _extend(pin: TenantPin, checkpoint: Checkpoint, proof: Sequence[bytes]) -> TenantPin:
    """Check that checkpoint and pin are of one log, and return the pin moved to the larger of both."""
    if pin.log_size == 0:
        return replace(pin, log_size=checkpoint.size, log_root=checkpoint.root.hex())
    root = bytes.fromhex(pin.log_root)
    older = checkpoint.size < pin.log_size
    try:
        if older:
            verify_consistency(checkpoint.size, checkpoint.root, pin.log_size, root, list(proof))
        else:
            verify_consistency(pin.log_size, root, checkpoint.size, checkpoint.root, list(proof))
    except ProofRefused as error:
        raise VerificationRefused("log_rolled_back" if older else "log_forked", error.code) from error
    return pin if older else replace(pin, log_size=checkpoint.size, log_root=checkpoint.root.hex())


def check_approval_logged(
    grant: GrantDocument,
    *,
    trust: TrustBundle,
    pin: TenantPin,
    roster: Roster | None,
    consistency: Sequence[bytes],
    witnessed: Witnessed | None,
) -> TenantPin:
    """Do steps 20 to 24 and return the pin that holds from now on.

    Raises:
        VerificationRefused: `approval_not_logged`, `checkpoint_wrong`, `inclusion_wrong`, `log_rolled_back`, `log_forked`,
            `witness_missing`.
    """
    shown = grant.log
    # 20  The leaf is the entry that records this very approval, with its signature.
    _check_entry(
        shown.leaf,
        "approval_not_logged",
        index=shown.index,
        tenant_id=grant.tenant_id,
        action=APPROVED,
        subject=f"request:{grant.request_id}",
        document=signed_decision(grant.decision),
    )
    # 21  The checkpoint is this tenant's log's, signed by a checkpoint key of the trust bundle.
    checkpoint = read_checkpoint(shown.checkpoint, grant.tenant_id, trust)
    # 22  The leaf stands in the log of that checkpoint.
    _include(shown.leaf, shown.index, shown.proof, checkpoint)
    # 23  That log extends the one that is pinned, or the pinned one extends it.
    moved = _extend(pin, checkpoint, consistency)
    # 24  Where the roster asks for witnesses, enough of them have seen a log with this entry that fits the pin too.
    if roster is None or roster.witness_quorum == 0:
        return moved
    if witnessed is None:
        raise VerificationRefused("witness_missing", "none")
    return _check_witnessed(grant, trust=trust, pin=pin, moved=moved, roster=roster, witnessed=witnessed)


def _check_witnessed(
    grant: GrantDocument,
    *,
    trust: TrustBundle,
    pin: TenantPin,
    moved: TenantPin,
    roster: Roster,
    witnessed: Witnessed,
) -> TenantPin:
    checkpoint = read_checkpoint(witnessed.checkpoint, grant.tenant_id, trust)
    seen_by = {name for name, _ in cosignatures(witnessed.checkpoint, list(roster.witnesses))}
    refuse_unless(len(seen_by) >= roster.witness_quorum, "witness_missing", f"{len(seen_by)}")
    # They have seen all that this gateway has seen, its last session's start too: what was hidden from them ends here.
    refuse_unless(checkpoint.size >= pin.log_size, "witness_missing", f"at {checkpoint.size} of {pin.log_size}")
    _include(grant.log.leaf, grant.log.index, witnessed.inclusion, checkpoint)
    seen = _extend(pin, checkpoint, witnessed.consistency)
    return seen if seen.log_size >= moved.log_size else moved


def check_start_logged(
    recorded: Recorded, *, trust: TrustBundle, pin: TenantPin, start: SessionStart, statement: str, about: StartEntry
) -> TenantPin:
    """Check that the session's start stands in the log as this gateway signed it, and return the moved pin.

    `statement` is the gateway's signed text of `start`; `about` is what else the entry must say.

    Raises:
        VerificationRefused: `start_not_logged`, `checkpoint_wrong`, `inclusion_wrong`, `log_rolled_back`, `log_forked`.
    """
    # S1  The leaf is the entry that records this start, with the gateway's own statement.
    _check_entry(
        recorded.leaf,
        "start_not_logged",
        index=recorded.index,
        tenant_id=pin.tenant_id,
        action=STARTED,
        subject=f"session:{start.session_id}",
        document=statement,
    )
    # S1.1  And its words are true: whoever reads the log without the statement learns the same from it.
    _check_words(read_leaf(recorded.leaf), start, about)
    # S2  It came after everything that was seen before: an old entry is no record of what happens now.
    refuse_unless(recorded.index >= pin.log_size, "log_rolled_back", "entry")
    # S3 to S5  As steps 21 to 23.
    checkpoint = read_checkpoint(recorded.checkpoint, pin.tenant_id, trust)
    _include(recorded.leaf, recorded.index, recorded.inclusion, checkpoint)
    return _extend(pin, checkpoint, recorded.consistency)


def _check_words(leaf: Leaf, start: SessionStart, about: StartEntry) -> None:
    code, key = "start_not_logged", leaf.detail.get("gateway_key")
    refuse_unless(leaf.actor == f"gateway:{start.gateway_id}", code, "actor")
    refuse_unless(leaf.resource == about.resource_id, code, "resource")
    refuse_unless(leaf.detail.get("grant") == start.grant_id, code, "grant")
    refuse_unless(leaf.detail.get("engineer") == start.engineer_id, code, "engineer")
    refuse_unless(leaf.detail.get("front") == start.front, code, "front")
    refuse_unless(key == about.gateway_key, code, "key")
    refuse_unless(abs(parse_instant(leaf.at) - start.at) <= START_TOLERANCE, code, "time")


def _check_entry(
    data: bytes, code: str, *, index: int, tenant_id: str, action: str, subject: str, document: str
) -> None:
    try:
        leaf = read_leaf(data)
    except LeafRefused as error:
        raise VerificationRefused(code, error.detail) from error
    refuse_unless(leaf.index == index, code, "index")
    refuse_unless(leaf.tenant == tenant_id, code, "tenant")
    refuse_unless(leaf.action == action, code, "action")
    refuse_unless(leaf.subject == subject, code, "subject")
    refuse_unless(leaf.document == digest(document), code, "document")
