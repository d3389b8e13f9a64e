"""Locks: on everything of an organization, on one resource, on one engineer. Set, read, lift."""

from litestar import get, post
from litestar.params import FromPath, JSONBody

from openlockbox.domain.ids import LockId, PrincipalId
from openlockbox.domain.lockdown import Lock
from openlockbox.services import lockdown
from openlockbox.services.lockdown import Locks
from openlockbox.web.api import documents as d
from openlockbox.web.api.bodies import LockResourceBody, ReasonBody
from openlockbox.web.api.callers import CallerArgument, LockboxArgument, as_resource, as_tenant, under


def _lock(lock: Lock) -> d.LockDocument:
    return d.LockDocument(
        id=lock.id,
        kind=lock.kind.value,
        subject_id=lock.subject_id,
        side=lock.side,
        state=lock.state.value,
        ordered_by=lock.ordered_by,
        ordered_at=lock.ordered_at,
        reason=lock.reason,
        confirmed_at=lock.confirmed_at,
        lifted_by=lock.lifted_by,
        lifted_at=lock.lifted_at,
    )


def _locks(found: Locks) -> d.LocksDocument:
    return d.LocksDocument(
        standing=[
            d.StandingLockDocument(
                lock=_lock(view.lock),
                missing=[d.MissingGatewayDocument(id=g.id, name=g.name, heard_at=g.lease_at) for g in view.missing],
                may_lift=view.may_lift,
            )
            for view in found.standing
        ],
        may_lock=found.may_lock,
    )


@get("/tenants/{tenant_id:str}/locks", sync_to_thread=True)
def read_locks(lockbox: LockboxArgument, caller: CallerArgument, tenant_id: FromPath[str]) -> d.LocksDocument:
    """Return the locks that stand in an organization, and which gateways have not confirmed them."""
    return _locks(lockdown.locks_of_tenant(lockbox, caller, tenant_id=as_tenant(tenant_id)))


@post("/tenants/{tenant_id:str}/lock", sync_to_thread=True, status_code=202)
def lock_tenant(
    lockbox: LockboxArgument, caller: CallerArgument, tenant_id: FromPath[str], data: JSONBody[ReasonBody]
) -> d.LockDocument:
    """Lock everything now. `locking` until every gateway has confirmed; it forbids access from this moment. Idempotent."""
    return _lock(lockdown.lock_tenant(lockbox, caller, tenant_id=as_tenant(tenant_id), reason=data.reason))


@post("/tenants/{tenant_id:str}/lock-resource", sync_to_thread=True, status_code=202)
def lock_resource(
    lockbox: LockboxArgument, caller: CallerArgument, tenant_id: FromPath[str], data: JSONBody[LockResourceBody]
) -> d.LockDocument:
    """Lock one resource of the organization. Idempotent."""
    resource_id = as_resource(data.resource_id)
    here = under(caller, tenant_id)
    return _lock(lockdown.lock_resource(lockbox, here, resource_id=resource_id, reason=data.reason))


@get("/engineers/locks", sync_to_thread=True)
def read_engineer_locks(lockbox: LockboxArgument, caller: CallerArgument) -> d.LocksDocument:
    """Return the engineers' locks that stand, to operators and support leads."""
    return _locks(lockdown.locks_of_engineers(lockbox, caller))


@post("/engineers/{principal_id:str}/lock", sync_to_thread=True, status_code=202)
def lock_engineer(
    lockbox: LockboxArgument, caller: CallerArgument, principal_id: FromPath[str], data: JSONBody[ReasonBody]
) -> d.LockDocument:
    """Lock one engineer out of all customers, as operator or support lead. Idempotent."""
    return _lock(lockdown.lock_engineer(lockbox, caller, principal_id=PrincipalId(principal_id), reason=data.reason))


@post("/locks/{lock_id:str}/lift", sync_to_thread=True, status_code=200)
def lift(lockbox: LockboxArgument, caller: CallerArgument, lock_id: FromPath[str]) -> d.LockDocument:
    """Lift a lock. What it ended stays ended."""
    return _lock(lockdown.lift(lockbox, caller, lock_id=LockId(lock_id)))
