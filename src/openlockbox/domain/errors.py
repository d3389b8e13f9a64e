"""Refusals. Each has a stable code, a sentence for the person and advice; HTTP, SQL and mail know nothing of this module's text layout.

The sentences are English message ids: the portal, the API and mails translate them. Placeholders come from `params`.
"""

from typing import ClassVar

from openlockbox.domain.text import N_


class LockboxError(Exception):
    """Anything the lockbox refuses. Subclasses give `code`, `sentence` and `advice`."""

    code: ClassVar[str] = ""
    sentence: ClassVar[str] = ""
    advice: ClassVar[str] = ""

    def __init__(self, **params: str) -> None:
        self.params = params
        super().__init__(f"{self.code}: {self.sentence % params if params else self.sentence}")


class NotSignedIn(LockboxError):
    """Nobody is known behind this call: an unresolved principal is never "somebody"."""

    code = "not_signed_in"
    sentence = N_("You are not signed in, or your account is disabled.")
    advice = N_("Sign in and try again.")


class NotFound(LockboxError):
    """The thing does not exist, or the caller may not know whether it does."""

    code = "not_found"
    sentence = N_("There is no such page or record, or it belongs to somebody else.")
    advice = N_("Check the address, or go back to your overview.")


class NotAllowed(LockboxError):
    """The caller's roles do not reach this act."""

    code = "not_allowed"
    sentence = N_("Your roles do not allow this.")
    advice = N_("Ask your administrator which role you need.")


class ScopeMissing(LockboxError):
    """A personal token without the scope of this command."""

    code = "token_scope_missing"
    sentence = N_("This token does not have the scope %(scope)s.")
    advice = N_("Make a token with that scope in your profile.")


class InvalidInput(LockboxError):
    """A value from outside that cannot be taken as it stands."""

    code = "invalid_input"
    sentence = N_("The field %(field)s cannot be taken as it stands: %(problem)s.")
    advice = N_("Correct it and send it again. Nothing was changed.")


class NotAnApprover(LockboxError):
    """Not among the designated approvers fixed at submission, or no longer in the role."""

    code = "not_an_approver"
    sentence = N_("You are not a designated approver of this request.")
    advice = N_("The approvers were fixed when the request was made. They are named on the request.")


class SelfApproval(LockboxError):
    """The requester may never decide on their own request, through whatever account."""

    code = "self_approval"
    sentence = N_("Nobody decides on their own request.")
    advice = N_("Somebody else has to decide.")


class NotAnInternalApprover(LockboxError):
    """The verdict asks for another role than the caller's."""

    code = "not_an_internal_approver"
    sentence = N_("This request needs the internal approval of another role than yours.")
    advice = N_("The role that is asked for is named on the request.")


class AlreadyDecided(LockboxError):
    """A final state does not change; the caller is told the state."""

    code = "already_decided"
    sentence = N_("This request is already in the state %(state)s. Your decision was not recorded.")
    advice = N_("Somebody else was faster, or the request ended. The page shows how.")


class RequestExpired(LockboxError):
    """The queue time is over, whether or not a worker has written it down."""

    code = "request_expired"
    sentence = N_("The time to answer this request is over. No access was given.")
    advice = N_("If access is still needed, the engineer asks again.")


class RequestSuperseded(LockboxError):
    """The resource, the target or the rules changed since the request was made."""

    code = "request_superseded"
    sentence = N_("Something this request rests on has changed, so it was canceled.")
    advice = N_("If access is still needed, the engineer asks again and you see the new request.")


class RequestChanged(LockboxError):
    """The decision names another digest than the request's: it was made on something else than what stands here."""

    code = "request_changed"
    sentence = N_("Your decision was made on another version of this request and was not recorded.")
    advice = N_("Read the request as it stands now, then decide.")


class DecisionWidens(LockboxError):
    """An approver may shorten and narrow, never widen."""

    code = "decision_widens"
    sentence = N_("A decision may shorten the access, never lengthen or widen it.")
    advice = N_("Choose at most what was asked for.")


class PlanTooLow(LockboxError):
    """Support plan below Developer (specification P1)."""

    code = "support_plan_too_low"
    sentence = N_("The organization's support plan does not include Customer Lockbox.")
    advice = N_("A plan of level Developer or higher is needed. Nothing else has to be bought or installed.")


class ClassicResource(LockboxError):
    """Classic resources are not supported (specification V4)."""

    code = "classic_resource"
    sentence = N_("Classic resources are not supported.")
    advice = N_("Migrate the resource to Resource Manager, then ask again.")


class UnknownResource(LockboxError):
    """No such resource in the customer's organization."""

    code = "unknown_resource"
    sentence = N_("The organization has no such resource.")
    advice = N_("Choose a resource of the organization that opened the service request.")


class ForeignResource(LockboxError):
    """A resource of another tenant than the service request's. Told to the engineer exactly like an unknown one."""

    code = "foreign_resource"
    sentence = N_("The resource does not belong to the organization that opened the service request.")
    advice = N_("Choose a resource of the organization that opened the service request.")


class ScenarioNotSupported(LockboxError):
    """No connector offers this way in to this type of resource."""

    code = "scenario_not_supported"
    sentence = N_("This way in is not offered for this resource.")
    advice = N_("Choose one of the ways that the resource offers.")


class ScenarioNotEnabled(LockboxError):
    """A preview scenario the tenant has not signed up for (specification P2)."""

    code = "scenario_not_enabled"
    sentence = N_("The organization has not signed up for this preview scenario.")
    advice = N_("Its administrator can sign up for it.")


class ResourceNotReachable(LockboxError):
    """No gateway, address or account for the permission level is set up for the resource."""

    code = "resource_not_reachable"
    sentence = N_("The resource has no gateway, address or account for this permission level.")
    advice = N_("The provider's operator sets it up.")


class NoDesignatedApprover(LockboxError):
    """Nobody could decide, so nothing is asked."""

    code = "no_designated_approver"
    sentence = N_("Nobody in the organization may decide on this subscription.")
    advice = N_("The organization's administrator gives somebody the role Owner or Lockbox Approver for Subscription.")


class ServiceRequestClosed(LockboxError):
    """Elevation needs an open service request (specification P3)."""

    code = "service_request_closed"
    sentence = N_("The service request is closed.")
    advice = N_("The customer can open a new one.")


class ServiceRequestNotOpenedByCustomer(LockboxError):
    """A Lockbox request only ever moves a service request which the customer's organization filed (specification P3)."""

    code = "service_request_not_by_customer"
    sentence = N_("A service request is opened by the customer's organization only.")
    advice = N_("Ask the customer to open one.")


class ServiceRequestInUse(LockboxError):
    """It cannot close under an active grant."""

    code = "service_request_in_use"
    sentence = N_("Somebody still has access for this service request.")
    advice = N_("End the access first.")


class NotAssigned(LockboxError):
    """Only the assigned engineer, or one it was escalated to, may ask."""

    code = "not_assigned"
    sentence = N_("The service request is not assigned to you.")
    advice = N_("Take it over or have it escalated to you first.")


class JitRefused(LockboxError):
    """The JIT rules refuse; the reasons stand in the JIT request and in the log."""

    code = "jit_refused"
    sentence = N_("The just-in-time rules refuse this elevation.")
    advice = N_("The reasons are listed with the request.")


class GrantNotUsable(LockboxError):
    """The grant has ended, was revoked, or is another engineer's."""

    code = "grant_not_usable"
    sentence = N_("This access has ended.")
    advice = N_("To go on, ask for elevation again from the service request.")


class AlreadyRevoked(LockboxError):
    """There is nothing left to revoke: the grant has ended or is being revoked."""

    code = "already_revoked"
    sentence = N_("This access has already ended or is being revoked.")
    advice = N_("Nothing more has to be done.")


class NotAllowedToRevoke(LockboxError):
    """Revoking is for the customer's deciders, the provider's operator and support lead, and the engineer of the grant."""

    code = "not_allowed_to_revoke"
    sentence = N_("You may not end this access.")
    advice = N_("Ask an owner of the subscription or your administrator.")


class IllegalTransition(LockboxError):
    """The machine has no such step. The database refuses the same steps by itself."""

    code = "illegal_transition"
    sentence = N_("This step is not possible in the present state.")
    advice = N_("Load the page again to see the present state.")


class ConcurrentUpdate(LockboxError):
    """Somebody changed the row between the read and the write; the command runs again on what is there now."""

    code = "concurrent_update"
    sentence = N_("Somebody else changed this at the same moment. Nothing of yours was recorded.")
    advice = N_("Load the page again and repeat your step.")


class AlreadyExists(LockboxError):
    """An id or a unique property is taken."""

    code = "already_exists"
    sentence = N_("There is already such a record.")
    advice = N_("Choose another name or id.")


class TenantLocked(LockboxError):
    """The customer has locked everything."""

    code = "tenant_locked"
    sentence = N_("The customer has locked all access to this organization.")
    advice = N_("Nothing opens until an Owner or the tenant administrator lifts the lock.")


class ResourceLocked(LockboxError):
    """The customer has locked this resource."""

    code = "resource_locked"
    sentence = N_("The customer has locked this resource.")
    advice = N_("Nothing opens on it until an Owner or the tenant administrator lifts the lock.")


class EngineerLocked(LockboxError):
    """The provider has locked this engineer, or disabled the account."""

    code = "engineer_locked"
    sentence = N_("The provider has locked all access of this engineer.")
    advice = N_("Another engineer can ask, or the operator or a support lead lifts the lock.")


class NotLocked(LockboxError):
    """A lock that was lifted before."""

    code = "not_locked"
    sentence = N_("This lock does not stand any more.")
    advice = N_("Read the page again: somebody else has lifted it.")


class Throttled(LockboxError):
    """Too many attempts; counted in the database, so over all web processes."""

    code = "throttled"
    sentence = N_("Too many attempts. Wait a few minutes.")
    advice = N_("Your account is not lost. Try again later.")


class SignInFailed(LockboxError):
    """Name, password or code is wrong; which of them is not said."""

    code = "sign_in_failed"
    sentence = N_("The name, the password or the code is not right.")
    advice = N_("Check all three. A code is valid for 30 seconds and once.")


class CodeRefused(LockboxError):
    """The code of somebody who is signed in is wrong, or was used."""

    code = "code_refused"
    sentence = N_("The code is not right.")
    advice = N_("A code is valid for 30 seconds and once. Wait for the next one.")


class PasskeyRefused(LockboxError):
    """What the authenticator answered does not prove that this person holds this passkey, here and now."""

    code = "passkey_refused"
    sentence = N_("The passkey was not accepted.")
    advice = N_("Use a passkey from your profile, with your fingerprint, face or PIN, and start again from this page.")


class StepUpRequired(LockboxError):
    """An act on one's own keys needs a second factor that was shown in the last minutes."""

    code = "step_up_required"
    sentence = N_("Confirm that it is you before you do this.")
    advice = N_("Use your passkey or a code from your authenticator app; it counts for ten minutes.")


class GatewayRefused(LockboxError):
    """A gateway that is not enrolled, or whose signature, clock or claim does not hold."""

    code = "gateway_refused"
    sentence = N_("The gateway could not prove who it is, or asks for what is not its own.")
    advice = N_("The operator enrols the gateway again.")


class RecordUnavailable(LockboxError):
    """The refusal could not be written down, so even the answer "no" is held back (HTTP 503)."""

    code = "record_unavailable"
    sentence = N_("The activity log cannot be written, so nothing is done.")
    advice = N_("Try again in a moment. The operator has been told.")


class SignatureRequired(LockboxError):
    """The tenant has a roster, and it lets no unsigned decision count."""

    code = "signature_required"
    sentence = N_("In your organization a decision counts only when a key on the approver roster has signed it.")
    advice = N_(
        "Sign with your passkey on the confirm page. If your key is not on the roster, somebody whose key is adds it."
    )


class KeyNotOnRoster(LockboxError):
    """The key is not on the tenant's newest roster, or is another person's."""

    code = "key_not_on_roster"
    sentence = N_("This key is not on the approver roster as yours.")
    advice = N_("Use a key of yours that is on the roster, or let another approver decide.")


class KeyAddedLater(LockboxError):
    """The key came onto the roster after the request: additions do not count for requests that wait."""

    code = "key_added_later"
    sentence = N_(
        "This key came onto the approver roster after the request was made, so it does not count for this request."
    )
    advice = N_("Another approver decides, or the engineer withdraws the request and asks again.")


class SignatureWrong(LockboxError):
    """The signature does not hold; the activity log says which check failed."""

    code = "signature_wrong"
    sentence = N_("The signature does not fit the decision and the key.")
    advice = N_("Open the confirm page again and sign what it shows. Nothing was decided.")


class StatementDiffers(LockboxError):
    """The signed statement is not about this request, this answer or this person."""

    code = "statement_differs"
    sentence = N_("What was signed is not this decision on this request.")
    advice = N_("Open the request again and sign what its confirm page shows. Nothing was decided.")


class StatementTooOld(LockboxError):
    """A statement counts for five minutes from the time that stands in it."""

    code = "statement_too_old"
    sentence = N_("The decision was written more than five minutes ago, or in the future.")
    advice = N_("Open the confirm page again and sign at once.")


class EngineerKeyRequired(LockboxError):
    """The customer has a roster, and the engineer no key to show their presence with."""

    code = "engineer_key_required"
    sentence = N_("This customer lets only engineers in who have a key of their own, and you have none.")
    advice = N_("Add a passkey in your profile, then ask again.")


class RosterChangeRefused(LockboxError):
    """A roster that does not follow from the one before, or lists what cannot be. `problem` is a code of the roster format."""

    code = "roster_change_refused"
    sentence = N_("This change of the approver roster does not hold (%(problem)s).")
    advice = N_("Open the roster page again: it may have changed meanwhile. Prepare the change anew and sign it.")


class RosterCodeWrong(LockboxError):
    """The one-time code for the first key is wrong, was used, or its time is over."""

    code = "roster_code_wrong"
    sentence = N_("The one-time code for the first key is not right, or its time is over.")
    advice = N_("Ask your provider's operator for a new one; it counts once and for seven days.")


class RosterExists(LockboxError):
    """The first key is on the roster already; from then on only keys on it change it."""

    code = "roster_exists"
    sentence = N_("This organization has an approver roster already.")
    advice = N_("It is changed with a key that is on it, or with its recovery key. Nobody else can.")
