"""What happened, as the activity log takes it. Rules return events; this module writes nothing.

`detail` holds facts that may stand in the log for ever; `personal` holds what people wrote or are called, which the log
keeps beside the entry under a salted commitment, so that it can be erased without breaking the proof. `document` is a whole
text that the entry is about, as it was signed or shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from openlockbox.domain.ids import ActorId, CorrelationId, ResourceId, TenantId
from openlockbox.domain.text import N_


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened, in one tenant's log. `code` is `<noun>.<past>` or `<noun>.<verb>.refused`."""

    code: str
    tenant_id: TenantId
    actor: ActorId
    subject: str  # "request:LBX-…", "grant:…"; what it happened to
    correlation_id: CorrelationId
    resource_id: ResourceId | None = None
    detail: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    personal: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    document: str = ""  # kept beside the log and erasable too; the entry has its digest


# The four actions of specification A1, then the rest of the workflow. Labels are message ids.
LABELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "request.created": N_("Create Lockbox Request"),
        "request.approved": N_("Approve Lockbox Request"),
        "request.denied": N_("Deny Lockbox Request"),
        "request.expired": N_("Lockbox Request Expiry"),
        "request.canceled": N_("Cancel Lockbox Request"),
        "roster.changed": N_("Change the approver roster"),
        "roster.code_issued": N_("Issue a code for the first key"),
        "jit_request.submitted": N_("Request elevation"),
        "jit_request.refused": N_("Elevation refused by rule"),
        "jit_request.review_asked": N_("Internal review asked for"),
        "jit_request.review_approved": N_("Internal approval given"),
        "jit_request.review_denied": N_("Internal approval denied"),
        "jit_request.allowed": N_("Elevation allowed without customer data"),
        "jit_request.canceled": N_("Elevation request withdrawn"),
        "jit_request.expired": N_("Elevation request expired"),
        "grant.issued": N_("Access opened"),
        "grant.revoking": N_("End access"),
        "grant.revoked": N_("Access confirmed ended"),
        "grant.ended": N_("Access ended by time"),
        "session.offered": N_("Connection prepared"),
        "session.started": N_("Session started"),
        "session.terminated": N_("Session ended"),
        "session.lapsed": N_("Connection not used"),
        "session.reported": N_("End of session reported late"),
        "lock.set": N_("Lock access"),
        "lock.confirmed": N_("Lock confirmed by every gateway"),
        "lock.lifted": N_("Lift a lock"),
        "service_request.opened": N_("Open service request"),
        "service_request.replied": N_("Reply to service request"),
        "service_request.assigned": N_("Assign service request"),
        "service_request.escalated": N_("Escalate service request"),
        "service_request.closed": N_("Close service request"),
        "tenant.added": N_("Add organization"),
        "tenant.changed": N_("Change organization"),
        "subscription.added": N_("Add subscription"),
        "resource.added": N_("Add resource"),
        "resource.changed": N_("Change resource"),
        "principal.added": N_("Add person"),
        "principal.changed": N_("Change person"),
        "role.assigned": N_("Give a role"),
        "role.removed": N_("Take a role away"),
        "gateway.invited": N_("Invite gateway"),
        "gateway.enrolled": N_("Enrol gateway"),
        "credential.set": N_("Set sign-in credentials"),
        "token.created": N_("Create personal token"),
        "token.revoked": N_("Revoke personal token"),
        "passkey.added": N_("Add a passkey"),
        "passkey.renamed": N_("Rename a passkey"),
        "passkey.removed": N_("Remove a passkey"),
        "signing_key.added": N_("Add an automation's key"),
        "signing_key.removed": N_("Remove an automation's key"),
        "sign_in.stepped_up": N_("Confirm one's identity"),
        "sign_in.succeeded": N_("Sign in"),
        "sign_in.failed": N_("Failed sign-in"),
        "sign_in.ended": N_("Sign out"),
        "evidence.exported": N_("Export evidence"),
        "access.attempted": N_("Access without the right"),
    }
)

# Azure's operation names, where one exists (reference/azure-lockbox.md, section 2).
OPERATION_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        f"request.{past}": f"Microsoft.CustomerLockbox/requests/activitylog/{verb}LockboxRequest/action"
        for past, verb in {
            "created": "Create",
            "approved": "Approve",
            "denied": "Deny",
            "expired": "Expire",
            "canceled": "Cancel",
        }.items()
    }
)
