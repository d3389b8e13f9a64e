"""A tenant's log as others verify it: signed checkpoints, tiles, what lies beside the leaves, and witnesses. Records nothing itself.

What is asked for and not there is None, not a refusal: a refusal would be written into the log that is being read.
"""

from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from openlockbox.activitylog.entry import OpenedField
from openlockbox.activitylog.note import (
    Checkpoint,
    NoteRefused,
    add_signature,
    cosignatures,
    note_body,
    open_checkpoint,
    origin_of,
    sign_checkpoint,
    signature_lines,
    verifier_key,
)
from openlockbox.activitylog.tiles import TILE_WIDTH, encode_bundle
from openlockbox.domain.errors import InvalidInput, NotFound
from openlockbox.domain.ids import TenantId
from openlockbox.domain.principal import Role
from openlockbox.domain.tenant import TenantKind
from openlockbox.grants.keys import public_bytes
from openlockbox.grants.roster import open_roster
from openlockbox.grants.trust import decode_trust
from openlockbox.services.authority import is_member, need, see_tenant
from openlockbox.services.ports import EntryFilter, UnitOfWork
from openlockbox.services.work import Lockbox, Work, command, query

CHECKPOINTS: Final = "checkpoints"
SCOPE: Final = "activity.read"
HIGHEST_LEVEL: Final = 3  # a tile above needs 2**32 entries
MAX_DOCUMENT_NAME: Final = 64


def sign_head(lockbox: Lockbox, uow: UnitOfWork, tenant_id: TenantId) -> str:
    """Return the signed checkpoint of the log as it stands in this transaction. What is queued is not in it.

    Nobody may get it before the transaction is committed: what is rolled back would be signed, and another history follow.
    """
    head = uow.activity.head(tenant_id)
    checkpoint = Checkpoint(origin_of(tenant_id), head.size, head.root())
    return sign_checkpoint(checkpoint, lockbox.keys.signer(CHECKPOINTS))


def checkpoint_text(lockbox: Lockbox, tenant_id: TenantId) -> str:
    """Return the signed checkpoint of the log as it is committed. Whoever calls has checked who asks."""
    with lockbox.database.unit_of_work(read_only=True) as uow:
        return sign_head(lockbox, uow, tenant_id)


def log_keys(lockbox: Lockbox, tenant_id: TenantId) -> list[str]:
    """Return the keys whose checkpoints of this log count, as vkeys."""
    trust = decode_trust(dict(lockbox.keys.trust()))  # type: ignore[arg-type]  # the port says: plain JSON values
    return [verifier_key(origin_of(tenant_id), public_bytes(key)) for key in trust.checkpoint_keys.values()]


def see_log(work: Work, tenant_id: TenantId) -> None:
    """Let those pass who may read the log; the provider's own is its operator's. Raises NotFound, NotAllowed."""
    tenant = work.uow.tenants.get(tenant_id)
    if tenant.kind is not TenantKind.PROVIDER and not is_member(work, tenant_id):
        raise NotFound  # recorded with the caller: a stranger's looks must not make this log grow
    work.concerns(tenant_id, f"tenant:{tenant_id}", correlation_id=tenant_id)
    if tenant.kind is TenantKind.PROVIDER:
        need(work, Role.OPERATOR)
    else:
        see_tenant(work, tenant_id)


@query("activity.read", scope=SCOPE)
def checkpoint(work: Work, *, tenant_id: TenantId) -> str:
    """Return the newest checkpoint. Raises NotFound, NotAllowed."""
    see_log(work, tenant_id)
    return sign_head(work.lockbox, work.uow, tenant_id)


@query("activity.read", scope=SCOPE)
def tile(work: Work, *, tenant_id: TenantId, level: int, index: int, width: int = TILE_WIDTH) -> bytes | None:
    """Return the hashes of a tile, None while the log is too small for it. Raises NotFound, NotAllowed."""
    see_log(work, tenant_id)
    if level > HIGHEST_LEVEL:
        return None
    start = index * TILE_WIDTH
    hashes = work.uow.activity.tile(tenant_id, level, start, start + width)
    return b"".join(hashes) if len(hashes) == width else None


@query("activity.read", scope=SCOPE)
def entry_bundle(work: Work, *, tenant_id: TenantId, index: int, width: int = TILE_WIDTH) -> bytes | None:
    """Return a bundle of leaves, None while the log is too small for it. Raises NotFound, NotAllowed."""
    see_log(work, tenant_id)
    start = index * TILE_WIDTH
    leaves = work.uow.activity.leaves(tenant_id, start, start + width)
    return encode_bundle(leaves) if len(leaves) == width else None


@query("activity.read", scope=SCOPE)
def opened(work: Work, *, tenant_id: TenantId, index: int) -> dict[int, dict[str, OpenedField]]:
    """Return by index what lies open beside the entries of bundle `index`, as far as it is not erased.

    Raises:
        NotFound, NotAllowed: see `see_log`.
    """
    see_log(work, tenant_id)
    start = index * TILE_WIDTH
    newest_first = EntryFilter(before_index=start + TILE_WIDTH, limit=TILE_WIDTH)
    entries = reversed(work.uow.activity.entries(tenant_id, newest_first))
    return {entry.index: dict(entry.opened) for entry in entries if entry.index >= start}


@query("activity.read", scope=SCOPE)
def document(work: Work, *, tenant_id: TenantId, sha256: str) -> str | None:
    """Return a document that an entry names; None where it was erased or never was. Raises NotFound, NotAllowed."""
    see_log(work, tenant_id)
    return work.uow.activity.document(tenant_id, sha256) if len(sha256) == MAX_DOCUMENT_NAME else None


@query("activity.read", scope=SCOPE)
def witnessed(work: Work, *, tenant_id: TenantId) -> str | None:
    """Return the newest checkpoint that a witness cosigned, with all cosignatures; None without. Raises NotFound, NotAllowed."""
    see_log(work, tenant_id)
    cosigned = work.uow.activity.cosigned(tenant_id)
    return cosigned[0][1] if cosigned else None


@command("log.cosign", scope=SCOPE)
def submit_cosignature(work: Work, *, tenant_id: TenantId, note: str) -> int:
    """Keep a witness's cosignature of a checkpoint of ours and return the checkpoint's size. Idempotent.

    It is not recorded: an entry would make a new checkpoint, which the witness would cosign, and so on for ever.

    Raises:
        NotFound, NotAllowed: see `see_log`.
        InvalidInput: no checkpoint of this log, or signed by no witness on the organization's roster.
    """
    see_log(work, tenant_id)
    try:
        found = open_checkpoint(note, log_keys(work.lockbox, tenant_id))
        if work.uow.activity.root(tenant_id, found.size) != found.root:
            raise InvalidInput(field="body", problem="this log was never so")
    except (NoteRefused, NotFound) as error:
        raise InvalidInput(field="body", problem="it is no checkpoint of this log") from error
    witnesses = _witnesses(work, tenant_id)
    names = [name for name, _ in cosignatures(note, witnesses)]
    if not names:
        raise InvalidInput(field="body", problem="no witness on the roster signed it")
    kept = _kept(note, names, log_keys(work.lockbox, tenant_id), witnesses)
    for name in names:
        work.uow.activity.add_cosignature(tenant_id, found.size, name, kept[name])
    return found.size


def _kept(note: str, names: list[str], keys: list[str], witnesses: list[str]) -> dict[str, str]:
    """Return for each witness the checkpoint with one signature of the log and the witness's one, both checked; no other line."""
    lines = [(line.split(" ")[1], line) for line in signature_lines(note)]
    origin = note.split("\n", 1)[0]
    signed = [f"{note_body(note)}\n{line}\n" for signer, line in lines if signer == origin]
    own = next(text for text in signed if _opens(text, keys))
    kept: dict[str, str] = {}
    for name in names:
        tried = [add_signature(own, line) for signer, line in lines if signer == name]
        kept[name] = next(text for text in tried if cosignatures(text, witnesses))
    return kept


def _opens(note: str, keys: list[str]) -> bool:
    try:
        open_checkpoint(note, keys)
    except NoteRefused:
        return False
    return True


def _witnesses(work: Work, tenant_id: TenantId) -> list[str]:
    stored = work.uow.rosters.latest(tenant_id)
    return [] if stored is None else list(open_roster(stored.roster_text).witnesses)


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessed:
    """What a witness on the roster has cosigned last."""

    name: str
    size: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LogState:
    """How far a log can be verified, for people."""

    size: int
    root: bytes
    origin: str
    keys: tuple[str, ...]  # vkeys
    newest_at: datetime | None  # of the newest entry; None without entries
    signed_at: datetime  # a checkpoint is signed when it is asked for
    witnessed: tuple[Witnessed, ...]  # the newest of each witness on the roster
    silent: tuple[str, ...]  # witnesses on the roster that have not cosigned yet
    quorum: int

    @property
    def root_text(self) -> str:
        """Return the root as it stands in a checkpoint."""
        return b64encode(self.root).decode()


@query("activity.read", scope=SCOPE)
def log_state(work: Work, *, tenant_id: TenantId) -> LogState:
    """Return how far the log can be verified. Raises NotFound, NotAllowed."""
    see_log(work, tenant_id)
    log = work.uow.activity
    head, newest = log.head(tenant_id), log.entries(tenant_id, EntryFilter(limit=1))
    stored = work.uow.rosters.latest(tenant_id)
    roster = None if stored is None else open_roster(stored.roster_text)
    vkeys = [] if roster is None else list(roster.witnesses)
    seen: dict[str, Witnessed] = {}
    for size, note in log.cosigned(tenant_id):
        for name, at in cosignatures(note, vkeys):
            seen.setdefault(name, Witnessed(name=name, size=size, at=at))
    return LogState(
        size=head.size,
        root=head.root(),
        origin=origin_of(tenant_id),
        keys=tuple(log_keys(work.lockbox, tenant_id)),
        newest_at=newest[0].recorded_at if newest else None,
        signed_at=work.now,
        witnessed=tuple(seen.values()),
        silent=tuple(name for name in (vkey.partition("+")[0] for vkey in vkeys) if name not in seen),
        quorum=0 if roster is None else roster.witness_quorum,
    )
