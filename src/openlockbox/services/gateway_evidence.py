"""What a gateway is shown so that it need not believe: rosters, and proofs that the customer's log holds what it should."""

import base64
from collections.abc import Sequence

from openlockbox.activitylog.note import cosignatures
from openlockbox.domain.grant import Grant
from openlockbox.domain.ids import TenantId
from openlockbox.grants.encoding import Fields, Json, b64url
from openlockbox.grants.envelope import Kind, peek
from openlockbox.grants.roster import open_signed
from openlockbox.services.log import sign_head
from openlockbox.services.ports import ActivityLog, UnitOfWork
from openlockbox.services.work import Lockbox


def evidence_of(lockbox: Lockbox, grant: Grant, *, roster_version: int, log_size: int) -> dict[str, object]:
    """Return the rosters after a version, the proof between a log size and the grant's checkpoint, and what witnesses signed."""
    with lockbox.database.unit_of_work(read_only=True) as uow:
        rosters = uow.rosters.versions(grant.tenant_id)
        index, size = _logged(grant.wire)
        return {
            "rosters": list(rosters[roster_version:]),
            "consistency": _between(uow.activity, grant.tenant_id, log_size, size),
            "witnessed": _witnessed(uow, grant.tenant_id, rosters, index=index, log_size=log_size),
        }


def prove_entry(
    lockbox: Lockbox, uow: UnitOfWork, tenant_id: TenantId, *, index: int, log_size: int
) -> dict[str, object]:
    """Return an entry with a checkpoint of the log as it stands in this transaction, and both proofs."""
    size = uow.activity.head(tenant_id).size
    (leaf,) = uow.activity.leaves(tenant_id, index, index + 1)
    return {
        "index": index,
        "leaf": b64url(leaf),
        "checkpoint": sign_head(lockbox, uow, tenant_id),
        "inclusion": _base64(uow.activity.inclusion(tenant_id, index, size)),
        "consistency": _between(uow.activity, tenant_id, log_size, size),
    }


def _between(log: ActivityLog, tenant_id: TenantId, one: int, other: int) -> list[str]:
    """Prove that the log of one size extends that of the other. A gateway that saw more than there is gets no proof."""
    old, new = sorted((one, other))
    if old in {0, new} or new > log.head(tenant_id).size:
        return []
    return _base64(log.consistency(tenant_id, old, new))


def _witnessed(
    uow: UnitOfWork, tenant_id: TenantId, rosters: Sequence[str], *, index: int, log_size: int
) -> dict[str, object] | None:
    """Choose the newest checkpoint that holds the entry and that enough witnesses signed."""
    if not rosters:
        return None
    roster, _, _ = open_signed(rosters[-1])
    for size, note in uow.activity.cosigned(tenant_id):
        if size > index and len(dict(cosignatures(note, roster.witnesses))) >= roster.witness_quorum:
            return {
                "checkpoint": note,
                "inclusion": _base64(uow.activity.inclusion(tenant_id, index, size)),
                "consistency": _between(uow.activity, tenant_id, log_size, size),
            }
    return None


def _logged(wire: str) -> tuple[int, int]:
    """Read from one of our own grants where its approval stands, and the size of the log in its checkpoint."""
    log: Json = peek(Kind.GRANT, wire)["log"]
    fields = Fields(log, ("index", "leaf", "checkpoint", "proof"))
    index = fields.integer("index", least=0, most=2**53)
    return index, int(fields.long_text("checkpoint", limit=len(wire)).split("\n")[1])


def _base64(hashes: Sequence[bytes]) -> list[str]:
    return [base64.b64encode(part).decode("ascii") for part in hashes]
