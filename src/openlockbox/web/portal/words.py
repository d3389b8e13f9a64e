"""The product's words for states, roles and levels, as message ids, and which icon and colour go with each. No rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, assert_never

from openlockbox.domain.elevation import Permission
from openlockbox.domain.grant import GrantState
from openlockbox.domain.jit_request import JitState
from openlockbox.domain.lockbox_request import RequestState
from openlockbox.domain.lockdown import LockState
from openlockbox.domain.principal import Role
from openlockbox.domain.service_request import ServiceRequestState, Severity
from openlockbox.domain.session import SessionState
from openlockbox.domain.tenant import SupportPlan
from openlockbox.domain.text import N_
from openlockbox.services.views import ElevationView, GrantView, RequestView


@dataclass(frozen=True, slots=True)
class Badge:
    """A state as it is shown: always icon and word together."""

    css: str
    icon: str
    label: str


REQUEST_BADGES: Final[Mapping[RequestState, Badge]] = MappingProxyType(
    {
        RequestState.CUSTOMER_NOTIFIED: Badge("notified", "hourglass", N_("Customer Notified")),
        RequestState.APPROVED: Badge("approved", "check", N_("Approved")),
        RequestState.DENIED: Badge("denied", "cross", N_("Denied")),
        RequestState.EXPIRED: Badge("expired", "lapsed", N_("Expired")),
        RequestState.CANCELED: Badge("canceled", "minus", N_("Canceled")),
    }
)
JIT_BADGES: Final[Mapping[JitState, Badge]] = MappingProxyType(
    {
        JitState.SUBMITTED: Badge("review", "clock", N_("Being weighed")),
        JitState.INTERNAL_REVIEW: Badge("review", "review", N_("Internal review")),
        JitState.ALLOWED: Badge("approved", "check", N_("Allowed")),
        JitState.FORWARDED: Badge("notified", "hourglass", N_("Customer Notified")),
        JitState.REFUSED: Badge("denied", "cross", N_("Refused by rule")),
        JitState.CANCELED: Badge("canceled", "minus", N_("Withdrawn")),
        JitState.EXPIRED: Badge("expired", "lapsed", N_("Expired")),
    }
)
DENIED_INTERNALLY: Final = Badge("denied", "cross", N_("Denied internally"))
ACTIVE_SESSION: Final = Badge("session", "live", N_("Active session"))
ACCESS_OPEN: Final = Badge("approved", "key", N_("Access open"))
ACCESS_ENDED: Final = Badge("expired", "clock", N_("Ended"))
GRANT_BADGES: Final[Mapping[GrantState, Badge]] = MappingProxyType(
    {
        GrantState.ACTIVE: ACCESS_OPEN,
        GrantState.REVOKING: Badge("revoked", "hourglass", N_("Revoking")),
        GrantState.REVOKED: Badge("revoked", "revoked", N_("Revoked")),
        GrantState.ENDED: ACCESS_ENDED,
    }
)
LOCK_BADGES: Final[Mapping[LockState, Badge]] = MappingProxyType(
    {
        LockState.LOCKING: Badge("revoked", "hourglass", N_("Revoking")),
        LockState.LOCKED: Badge("revoked", "revoked", N_("Locked")),
    }
)
SESSION_BADGES: Final[Mapping[SessionState, Badge]] = MappingProxyType(
    {
        SessionState.PENDING: Badge("review", "clock", N_("Connecting")),
        SessionState.ACTIVE: ACTIVE_SESSION,
        SessionState.TERMINATED: ACCESS_ENDED,
    }
)
CASE_BADGES: Final[Mapping[ServiceRequestState, Badge]] = MappingProxyType(
    {
        ServiceRequestState.OPEN: Badge("session", "doc", N_("Open")),
        ServiceRequestState.CLOSED: Badge("canceled", "check", N_("Closed")),
    }
)
NO_ELEVATION: Final = Badge("canceled", "minus", N_("No elevation"))

PERMISSIONS: Final[Mapping[Permission, str]] = MappingProxyType(
    {
        Permission.READ: N_("Read"),
        Permission.OPERATE: N_("Operate"),
        Permission.ADMINISTRATOR: N_("Administrator"),
    }
)
# As a noun in the sentence "… on vm-kiln-07 as administrator".
PERMISSION_NOUNS: Final[Mapping[Permission, str]] = MappingProxyType(
    {
        Permission.READ: N_("reader"),
        Permission.OPERATE: N_("ordinary user"),
        Permission.ADMINISTRATOR: N_("administrator"),
    }
)
ROLES: Final[Mapping[Role, str]] = MappingProxyType(
    {
        Role.SUBSCRIPTION_OWNER: N_("Owner"),
        Role.LOCKBOX_APPROVER: N_("Lockbox Approver for Subscription"),
        Role.TENANT_ADMINISTRATOR: N_("Tenant administrator"),
        Role.READER: N_("Reader"),
        Role.SUPPORT_ENGINEER: N_("Support engineer"),
        Role.SUPPORT_LEAD: N_("Support lead"),
        Role.DEVOPS_MANAGER: N_("DevOps manager"),
        Role.OPERATOR: N_("Operator"),
    }
)
ROLE_MEANINGS: Final[Mapping[Role, str]] = MappingProxyType(
    {
        Role.SUBSCRIPTION_OWNER: N_("decides on Lockbox requests of the subscription"),
        Role.LOCKBOX_APPROVER: N_("decides on Lockbox requests of the subscription"),
        Role.TENANT_ADMINISTRATOR: N_("gives and takes roles, and can end any access"),
        Role.READER: N_("sees requests and the activity log"),
    }
)
SEVERITIES: Final[Mapping[Severity, str]] = MappingProxyType(
    {
        Severity.A: N_("A: production is down"),
        Severity.B: N_("B: production is impaired"),
        Severity.C: N_("C: a question, or little impact"),
    }
)
PLANS: Final[Mapping[SupportPlan, str]] = MappingProxyType(
    {
        SupportPlan.NONE: N_("None"),
        SupportPlan.BASIC: N_("Basic"),
        SupportPlan.DEVELOPER: N_("Developer"),
        SupportPlan.STANDARD: N_("Standard"),
        SupportPlan.PROFESSIONAL_DIRECT: N_("Professional Direct"),
        SupportPlan.PREMIER: N_("Premier"),
    }
)
CANCELED_BECAUSE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "withdrawn": N_("The engineer withdrew it."),
        "superseded": N_("Something it rests on has changed, so it was canceled."),
        "service_request_closed": N_("Its service request was closed."),
    }
)
RESOURCE_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "microsoft.compute/virtualmachines": N_("virtual machine"),
        "microsoft.compute/virtualmachinescalesets": N_("virtual machine scale set"),
        "microsoft.classiccompute/virtualmachines": N_("classic virtual machine"),
        "microsoft.sql/servers/databases": N_("SQL database"),
        "microsoft.storage/storageaccounts": N_("storage account"),
    }
)
SCOPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "profile.read": N_("Read the profile"),
        "service_requests.read": N_("Read service requests"),
        "service_requests.write": N_("Open, answer and close service requests"),
        "elevation.request": N_("Request elevation"),
        "elevation.review": N_("Review elevations internally"),
        "requests.read": N_("Read Lockbox requests"),
        "requests.decide": N_("Decide on Lockbox requests"),
        "grants.read": N_("See access"),
        "grants.connect": N_("Connect"),
        "grants.revoke": N_("End access"),
        "locks.lift": N_("Lift locks"),
        "activity.read": N_("Read the activity log"),
        "tenant.administer": N_("Give and take roles"),
        "roster.write": N_("Change the approver roster"),
        "tokens.revoke": N_("Revoke personal tokens"),
        "signing_keys.write": N_("Add and remove keys of automations"),
    }
)
SAID: Final[Mapping[str, str]] = MappingProxyType(
    {
        "approved": N_("Approved. The access is open until it ends by time or you end it."),
        "denied": N_("Denied. No access was given."),
        "reply_sent": N_("Your message was added."),
        "service_request_opened": N_("The service request is open. A support engineer will take it."),
        "service_request_closed": N_("The service request is closed. What was pending under it is canceled."),
        "service_request_taken": N_("The service request is yours."),
        "service_request_escalated": N_("The service request was handed on."),
        "elevation_requested": N_("The elevation was requested. What came of it stands below."),
        "elevation_withdrawn": N_("The request was withdrawn."),
        "review_approved": N_("Internal approval given. The customer is asked next."),
        "review_denied": N_("Denied internally. The customer is not asked."),
        "access_ending": N_("The access is being ended. Connections are cut at once."),
        "locked": N_("Everything is locked. Open connections are cut at once."),
        "resource_locked": N_("The resource is locked. Open connections are cut at once."),
        "engineer_locked": N_("The engineer is locked out. Open connections are cut at once."),
        "lock_lifted": N_("The lock is lifted. What it ended stays ended."),
        "roster_changed": N_("The roster was changed. It counts at once, and everybody on it is told by mail."),
        "role_given": N_("The role was given. It does not count for requests that already wait."),
        "role_taken": N_("The role was taken away. It counts at once."),
        "profile_saved": N_("Your profile was saved."),
        "token_revoked": N_("The token was revoked."),
        "passkey_added": N_("The passkey was added. A mail tells you so."),
        "passkey_renamed": N_("The passkey was renamed."),
        "passkey_removed": N_("The passkey was removed. A mail tells you so."),
        "signing_key_removed": N_("The key was removed. A mail tells you so."),
        "stepped_up": N_("Thank you. Repeat your step now; this counts for ten minutes."),
        "signed_out": N_("You are signed out."),
    }
)


def grant_badge(view: GrantView) -> Badge:
    """Choose the badge of an access: a running session counts more than the permission to start one."""
    if view.is_usable and any(s.state is SessionState.ACTIVE for s in view.sessions):
        return ACTIVE_SESSION
    if view.grant.state is GrantState.ACTIVE and view.is_over:
        return ACCESS_ENDED
    return GRANT_BADGES[view.grant.state]


def elevation_badge(view: ElevationView | None) -> Badge:
    """Choose the badge of an elevation: that of the furthest thing it came to."""
    if view is None:
        return NO_ELEVATION
    if view.grant is not None:
        return grant_badge(view.grant)
    if view.request_state is not None:
        return REQUEST_BADGES[view.request_state]
    if view.state is JitState.REFUSED and view.asked.reviewed_by is not None:
        return DENIED_INTERNALLY
    return JIT_BADGES[view.state]


def resource_name(view: GrantView | ElevationView | RequestView) -> str:
    """Name the resource, or the end of its id where the record is gone."""
    if view.resource is not None:
        return view.resource.name
    match view:
        case GrantView():
            elevation = view.grant.elevation
        case ElevationView():
            elevation = view.asked.elevation
        case RequestView():
            elevation = view.request.elevation
        case _:
            assert_never(view)
    return elevation.resource_id.rsplit("/", 1)[-1]
