"""The approver roster of a tenant: who is on it, proposing a change for signature, and taking a signed one. Holds no key itself.

The control plane only keeps what was signed: gateways and the customer's own verifier check every version again.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from openlockbox.activitylog.note import WITNESS_KEY, NoteRefused, parse_vkey
from openlockbox.domain.errors import (
    InvalidInput,
    NotAllowed,
    NotFound,
    RosterChangeRefused,
    RosterCodeWrong,
    RosterExists,
)
from openlockbox.domain.events import Event
from openlockbox.domain.ids import OPERATOR_COMMAND, CorrelationId, PrincipalId, TenantId
from openlockbox.domain.principal import APPROVER_ROLES, Principal, PrincipalState, Role
from openlockbox.domain.tenant import Tenant, TenantKind
from openlockbox.grants.assertion import SignatureRefused, SigningKey, verify_signature
from openlockbox.grants.encoding import EnvelopeRefused
from openlockbox.grants.keys import key_id_of, parse_public_key
from openlockbox.grants.roster import (
    RecoveryKey,
    Roster,
    RosterRefused,
    SignedBy,
    SignedRoster,
    check_change,
    check_first,
    needs_quorum,
    open_roster,
    open_signed,
    roster_text,
    signed_roster_text,
)
from openlockbox.services.access import end_what_rests_on
from openlockbox.services.accounts import secret_digest
from openlockbox.services.authority import in_tenant, is_member
from openlockbox.services.lockbox_requests import latest_roster, mail
from openlockbox.services.log import log_keys
from openlockbox.services.passkeys import signing_keys
from openlockbox.services.setup import console
from openlockbox.services.step_up import check_stepped_up
from openlockbox.services.work import Lockbox, Work, command, query

CODE_TIME: Final = timedelta(days=7)  # it goes to the customer by letter or telephone
PROPOSAL_TIME: Final = timedelta(days=1)  # several people sign, and a recovery key lies in a safe
WRITE: Final = "roster.write"
READ: Final = "requests.read"
KEEPERS: Final = APPROVER_ROLES | {Role.TENANT_ADMINISTRATOR}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to be different. None leaves it; keys go by their ids, recovery keys by their public keys."""

    add: frozenset[str] = frozenset()
    remove: frozenset[str] = frozenset()
    unsigned_decisions: bool | None = None
    quorum: int | None = None
    recovery_keys: tuple[str, ...] | None = None
    witnesses: tuple[str, ...] | None = None
    witness_quorum: int | None = None
    renew_site: bool = False  # take rp_id, origins and log keys from the installation as it is now


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A roster to sign, with which of the caller's keys that can be done, and how many signatures it takes."""

    text: str
    old: Roster | None
    new: Roster
    needed: int
    signers: tuple[SigningKey, ...]
    rp_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterView:
    """A tenant's roster as of now; `root` is the fingerprint to compare by telephone. `waiting` are keys that could be added."""

    tenant: Tenant
    roster: Roster | None
    root: str
    times: Mapping[int, datetime]  # when each version was made
    signed: tuple[str, ...]
    people: Mapping[PrincipalId, Principal]
    waiting: tuple[SigningKey, ...]
    mine: tuple[SigningKey, ...]  # the caller's keys, on the roster or not


@console("roster.code")
def issue_code(lockbox: Lockbox, *, tenant_id: TenantId) -> str:
    """Make the one-time code with which a customer puts the first key on its roster. An earlier one counts no more.

    Raises:
        NotFound: no such customer.
        RosterExists: there is a roster; only its own keys change it.
    """
    code = lockbox.new_secret()
    now = lockbox.clock()
    with lockbox.database.unit_of_work() as uow:
        if uow.tenants.get(tenant_id).kind is not TenantKind.CUSTOMER:
            raise NotFound
        if uow.rosters.latest(tenant_id, lock=True) is not None:
            raise RosterExists
        uow.rosters.set_code(tenant_id, secret_digest(code), ends_at=now + CODE_TIME)
        uow.activity.append(
            Event(
                code="roster.code_issued",
                tenant_id=tenant_id,
                actor=OPERATOR_COMMAND,
                subject=f"tenant:{tenant_id}",
                correlation_id=CorrelationId(tenant_id),
                detail={"ends_at": (now + CODE_TIME).isoformat()},
            ),
            at=now,
        )
        uow.commit()
    return code


def _enter(work: Work, tenant_id: TenantId) -> Tenant:
    """Let administrators and approvers of the tenant pass. Raises NotFound, NotAllowed."""
    tenant = work.uow.tenants.get(tenant_id)
    work.concerns(tenant_id, f"tenant:{tenant_id}", correlation_id=tenant_id)
    if tenant.kind is not TenantKind.CUSTOMER or not is_member(work, tenant_id):
        raise NotFound
    if not in_tenant(work, tenant_id) & KEEPERS:
        raise NotAllowed
    return tenant


def _keepers(work: Work, tenant_id: TenantId) -> dict[PrincipalId, Principal]:
    """Return the active administrators and approvers of the tenant."""
    ids = {a.principal_id for a in work.uow.principals.roles_of_tenant(tenant_id) if a.role in KEEPERS}
    return {p.id: p for p in work.uow.principals.many(ids).values() if p.state is PrincipalState.ACTIVE}


def _enrolled(work: Work, tenant_id: TenantId) -> dict[str, SigningKey]:
    """Return the keys that could stand on the roster, by id: those of the tenant's administrators and approvers."""
    keys = (key for keeper in _keepers(work, tenant_id) for key in signing_keys(work.uow, keeper))
    return {key.key_id: key for key in keys}


@query("roster.read", scope=READ)
def read(work: Work, *, tenant_id: TenantId) -> RosterView:
    """Return a tenant's roster to its administrators and approvers. Raises NotFound, NotAllowed."""
    tenant = _enter(work, tenant_id)
    signed = tuple(work.uow.rosters.versions(tenant_id))
    versions = [open_signed(text).roster for text in signed]
    roster = versions[-1] if versions else None
    listed = set() if roster is None else {key.key_id for key in roster.keys}
    owners = {PrincipalId(key.principal_id) for version in versions for key in version.keys}
    enrolled = _enrolled(work, tenant_id)
    return RosterView(
        tenant=tenant,
        roster=roster,
        root=versions[0].digest if versions else "",
        times={version.version: version.at for version in versions},
        signed=signed,
        people=dict(work.uow.principals.many(owners)) | _keepers(work, tenant_id),
        waiting=tuple(key for key_id, key in sorted(enrolled.items()) if key_id not in listed),
        mine=tuple(signing_keys(work.uow, work.principal.id)),
    )


@query("roster.propose", scope=WRITE)
def propose(work: Work, *, tenant_id: TenantId, change: Change) -> Proposal:
    """Write the next version for signature. Changes nothing, and promises nothing: `submit` checks it again.

    Raises:
        NotFound, NotAllowed: the caller is no administrator or approver of the tenant.
        StepUpRequired: as `submit`.
        RosterChangeRefused, InvalidInput: it could not be taken.
    """
    _enter(work, tenant_id)
    if work.caller.via == "portal":
        check_stepped_up(work)  # said before somebody signs for nothing
    old = latest_roster(work, tenant_id)
    keys = _changed_keys(work, tenant_id, old, change)
    base = old if old is not None else _empty(work, tenant_id)
    changed = replace(
        base,
        version=1 if old is None else old.version + 1,
        previous="" if old is None else old.digest,
        keys=keys,
        recovery_keys=base.recovery_keys if change.recovery_keys is None else _recovery_keys(change.recovery_keys),
        quorum=base.quorum if change.quorum is None else change.quorum,
        unsigned_decisions=base.unsigned_decisions if change.unsigned_decisions is None else change.unsigned_decisions,
        witnesses=base.witnesses if change.witnesses is None else tuple(sorted(set(change.witnesses))),
        witness_quorum=base.witness_quorum if change.witness_quorum is None else change.witness_quorum,
        at=work.now,
    )
    if change.renew_site:
        site = _empty(work, tenant_id)
        changed = replace(changed, rp_id=site.rp_id, origins=site.origins, log_keys=site.log_keys)
    return _proposal(work, old, changed)


@query("roster.propose", scope=WRITE)
def review(work: Work, *, tenant_id: TenantId, text: str) -> Proposal:
    """Read a roster that somebody else proposed, so that it can be shown and signed. Raises as `propose`."""
    _enter(work, tenant_id)
    try:
        proposed = open_roster(text)
    except RosterRefused as error:
        raise RosterChangeRefused(problem=error.code) from error
    if proposed.tenant_id != tenant_id:
        raise RosterChangeRefused(problem="roster_tenant")
    return _proposal(work, latest_roster(work, tenant_id), proposed)


def _proposal(work: Work, old: Roster | None, new: Roster) -> Proposal:
    try:
        text = roster_text(new)
    except ValueError as error:
        raise RosterChangeRefused(problem=str(error)) from error
    _check_witnesses(new)
    signing = new if old is None else old
    return Proposal(
        text=text,
        old=old,
        new=open_roster(text),
        needed=old.quorum if old is not None and needs_quorum(old, new) else 1,
        signers=tuple(key for key in signing.keys if key.principal_id == work.principal.id),
        rp_id=signing.rp_id,
    )


def _empty(work: Work, tenant_id: TenantId) -> Roster:
    """Return what a first roster is made of; without keys it is none yet."""
    passkeys = work.lockbox.passkeys
    return Roster(
        tenant_id=tenant_id,
        version=1,
        previous="",
        rp_id=passkeys.rp_id,
        origins=tuple(sorted(passkeys.origins)),
        keys=(),
        recovery_keys=(),
        quorum=1,
        unsigned_decisions=False,
        log_keys=tuple(sorted(log_keys(work.lockbox, tenant_id))),
        witnesses=(),
        witness_quorum=0,
        at=work.now,
    )


def _changed_keys(work: Work, tenant_id: TenantId, old: Roster | None, change: Change) -> tuple[SigningKey, ...]:
    present = () if old is None else old.keys
    kept = [key for key in present if key.key_id not in change.remove]
    enrolled = _enrolled(work, tenant_id)
    listed = {key.key_id for key in present}
    if not change.remove <= listed or change.add & listed or not change.add <= set(enrolled):
        raise RosterChangeRefused(problem="key_unknown")
    version = 1 if old is None else old.version + 1
    added = [replace(enrolled[key_id], added_in=version) for key_id in change.add]
    return tuple(sorted([*kept, *added], key=lambda key: key.key_id))


def _recovery_keys(public_keys: Collection[str]) -> tuple[RecoveryKey, ...]:
    try:
        named = {key_id_of(parse_public_key(text)): text for text in public_keys}
    except EnvelopeRefused:
        raise InvalidInput(field="recovery_key", problem="it is no Ed25519 key") from None
    return tuple(RecoveryKey(key_id=key_id, public_key=named[key_id]) for key_id in sorted(named))


def _check_witnesses(roster: Roster) -> None:
    try:
        is_witness = all(parse_vkey(text).kind == WITNESS_KEY for text in roster.witnesses)
    except NoteRefused:
        is_witness = False
    if not is_witness:
        raise InvalidInput(field="witness", problem="it is no witness's verifier key")


@command("roster.change", scope=WRITE)
def submit(work: Work, *, tenant_id: TenantId, signed: str, code: str = "") -> Roster:
    """Take a signed version. The first needs the one-time code. It counts at once, and everybody on it is told.

    Raises:
        NotFound, NotAllowed: the caller is no administrator or approver of the tenant.
        StepUpRequired: in the portal, without a fresh second factor.
        RosterCodeWrong: of the first one.
        RosterChangeRefused: it does not follow, is not signed as it must be, or lists what cannot be.
    """
    _enter(work, tenant_id)
    if work.caller.via == "portal":
        check_stepped_up(work)
    old = latest_roster(work, tenant_id, lock=True)
    work.locked()
    _enter(work, tenant_id)  # roles may have changed while the lock was waited for
    try:
        opened = open_signed(signed)
        new = check_first(opened) if old is None else check_change(old, opened)
    except RosterRefused as error:
        raise RosterChangeRefused(problem=error.code) from error
    _check_ours(work, tenant_id, old, new)
    if old is None:
        try:
            work.uow.rosters.take_code(tenant_id, secret_digest(code.strip()), at=work.now)
        except NotFound:
            raise RosterCodeWrong from None
    work.uow.rosters.add(tenant_id, new.version, signed, opened.text)
    _record_and_tell(work, old, opened, signed)
    return new


def _check_ours(work: Work, tenant_id: TenantId, old: Roster | None, new: Roster) -> None:
    """Check what the format cannot know: whose roster, when, whose keys, and that our own log and site are in it."""
    if new.tenant_id != tenant_id:
        raise RosterChangeRefused(problem="roster_tenant")
    if not timedelta(0) <= work.now - new.at <= PROPOSAL_TIME:
        raise RosterChangeRefused(problem="roster_time")
    known = set() if old is None else {key.key_id for key in old.keys}
    enrolled = _enrolled(work, tenant_id)
    for key in new.keys:
        if key.key_id not in known and enrolled.get(key.key_id) != replace(key, added_in=0):
            raise RosterChangeRefused(problem="key_unknown")
    site = _empty(work, tenant_id)
    if old is None and (new.rp_id, new.origins, new.log_keys) != (site.rp_id, site.origins, site.log_keys):
        raise RosterChangeRefused(problem="site_differs")
    _check_witnesses(new)


def _record_and_tell(work: Work, old: Roster | None, opened: SignedRoster, signed: str) -> None:
    new = opened.roster
    before, after = (
        {key.key_id: PrincipalId(key.principal_id) for key in (() if roster is None else roster.keys)}
        for roster in (old, new)
    )
    work.record(
        "roster.changed",
        detail={
            "version": str(new.version),
            "digest": new.digest,
            "added": ",".join(sorted(after.keys() - before.keys())),
            "removed": ",".join(sorted(before.keys() - after.keys())),
            "signed_by": ",".join(sorted(s.key_id for s in opened.signatures)),
            "unsigned_decisions": "yes" if new.unsigned_decisions else "no",
        },
        document=signed,
    )
    end_what_rests_on(work, before.keys() - after.keys())
    told = set(before.values()) | set(after.values()) | set(_keepers(work, work.tenant_id))
    people = work.uow.principals.many(told)
    for person in told & people.keys():
        mail(
            work,
            key=f"roster-{new.tenant_id}-{new.version}-{person}",
            to=person,
            template="roster_changed",
            values={
                "link": f"{work.lockbox.rules.base_url}/t/{new.tenant_id}/roster",
                "tenant_name": work.uow.tenants.get(work.tenant_id).name,
                "by": work.principal.name,
                "version": str(new.version),
                "added": str(len(after.keys() - before.keys())),
                "removed": str(len(before.keys() - after.keys())),
                "at": work.now.isoformat(),
            },
        )


def put_together(proposal: Proposal, signature: str, others: Collection[SignedBy] = ()) -> str:
    """Return the signed form of a proposal: with what others signed before, and the caller's new signature where there is one.

    Raises:
        RosterChangeRefused: none of the caller's keys made the signature, or nobody signed at all.
    """
    signing = proposal.new if proposal.old is None else proposal.old
    signatures = {other.key_id: other for other in others}
    if signature:
        key = next((key for key in proposal.signers if _signed(key, signature, proposal.text, signing)), None)
        if key is None:
            raise RosterChangeRefused(problem="roster_signature")
        signatures[key.key_id] = SignedBy(key.key_id, signature)
    if not signatures:
        raise RosterChangeRefused(problem="roster_signature")
    return signed_roster_text(proposal.text, sorted(signatures.values()))


def _signed(key: SigningKey, signature: str, text: str, roster: Roster) -> bool:
    try:
        verify_signature(key, signature, text, rp_id=roster.rp_id, origins=roster.origins)
    except SignatureRefused:
        return False
    return True
