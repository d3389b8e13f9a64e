"""The activity log in words: labels of actions and refusals, who acted, and the filter of the log's page. Reads nothing."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from openlockbox.activitylog.entry import Entry
from openlockbox.domain.errors import LockboxError
from openlockbox.domain.events import LABELS
from openlockbox.domain.ids import CLOCK, OPERATOR_COMMAND, PrincipalId
from openlockbox.domain.text import N_
from openlockbox.services.views import People
from openlockbox.web.portal.speech import Speech
from openlockbox.web.portal.words import Badge

# Specification A1: the four that the page names first.
NAMED: Final = ("request.created", "request.approved", "request.denied", "request.expired")

_ATTEMPTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "request.approve": N_("Approve Lockbox Request"),
        "request.deny": N_("Deny Lockbox Request"),
        "request.read": N_("Read Lockbox requests"),
        "request.statement": N_("Prepare a decision"),
        "roster.read": N_("Look at the approver roster"),
        "roster.propose": N_("Prepare a change of the approver roster"),
        "roster.change": N_("Change the approver roster"),
        "roster.code": N_("Issue a code for the first key"),
        "jit_request.submit": N_("Request elevation"),
        "jit_request.preview": N_("Check the rules for an elevation"),
        "jit_request.review": N_("Review an elevation internally"),
        "jit_request.withdraw": N_("Withdraw an elevation request"),
        "grant.connect": N_("Connect"),
        "grant.read": N_("See access"),
        "grant.revoke": N_("End access"),
        "session.start": N_("Start a session"),
        "session.report": N_("Report on a session"),
        "service_request.open": N_("Open service request"),
        "service_request.reply": N_("Reply to service request"),
        "service_request.take": N_("Assign service request"),
        "service_request.escalate": N_("Escalate service request"),
        "service_request.close": N_("Close service request"),
        "service_request.read": N_("Read service requests"),
        "role.assign": N_("Give a role"),
        "role.remove": N_("Take a role away"),
        "token.create": N_("Create personal token"),
        "token.revoke": N_("Revoke personal token"),
        "passkey.read": N_("Look at one's passkeys"),
        "passkey.add": N_("Add a passkey"),
        "passkey.rename": N_("Rename a passkey"),
        "passkey.remove": N_("Remove a passkey"),
        "signing_key.add": N_("Add an automation's key"),
        "signing_key.remove": N_("Remove an automation's key"),
        "step_up": N_("Confirm one's identity"),
        "profile.change": N_("Change person"),
        "profile.read": N_("Read the profile"),
        "tenant.read": N_("Look at an organization"),
        "activity.read": N_("Read the activity log"),
        "evidence.export": N_("Export evidence"),
        "log.cosign": N_("Co-sign the activity log as a witness"),
        "queue.read": N_("Look at the provider's queue"),
        "review.read": N_("Look at internal reviews"),
        "elevation.read": N_("Look at one's elevations"),
    }
)
_BADGES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "request.created": ("review", "key"),
        "request.approved": ("approved", "check"),
        "request.denied": ("denied", "cross"),
        "request.expired": ("expired", "lapsed"),
        "request.canceled": ("canceled", "minus"),
        "jit_request.refused": ("denied", "cross"),
        "jit_request.review_denied": ("denied", "cross"),
        "jit_request.review_approved": ("review", "review"),
        "grant.issued": ("approved", "key"),
        "grant.revoking": ("revoked", "revoked"),
        "grant.revoked": ("revoked", "revoked"),
        "session.started": ("session", "live"),
        "sign_in.failed": ("denied", "warn"),
    }
)
_REASONS: Final = {cls.code: cls.sentence for cls in LockboxError.__subclasses__()}


def label(code: str, speech: Speech) -> str:
    """Name an action as the log's page does; an unknown code is shown as it stands."""
    if code.endswith(".refused") and code not in LABELS:
        action = code.removesuffix(".refused")
        return speech.gettext("Refused: %(action)s") % {"action": speech.gettext(_ATTEMPTS.get(action, action))}
    return speech.gettext(LABELS.get(code, code))


def badge(code: str, speech: Speech) -> Badge:
    """Choose the badge of an entry."""
    refused = code.endswith(".refused") and code not in LABELS
    css, icon = ("denied", "warn") if refused else _BADGES.get(code, ("canceled", "dot"))
    return Badge(css, icon, label(code, speech))


def actor(name: str, people: People, speech: Speech) -> str:
    """Name who acted. A person's name is read beside the log, where it can be erased; the id stays."""
    kind, _, key = name.partition(":")
    if kind == "principal":
        person = people.get(PrincipalId(key))
        return key if person is None else person.name
    if kind == "gateway":
        return speech.gettext("Gateway %(name)s") % {"name": key}
    known = {
        CLOCK: N_("The clock"),
        OPERATOR_COMMAND: N_("The provider's operator, at the console"),
        "nobody": N_("Nobody signed in"),
    }
    return speech.gettext(known.get(name, name))


def reason(entry: Entry, speech: Speech) -> str:
    """Say why something was refused, or nothing where it was not."""
    if not entry.event.code.endswith(".refused") or "code" not in entry.event.detail:
        return ""
    code = entry.event.detail["code"]
    text = speech.gettext(_REASONS.get(code, code))
    return text if "%(" not in text else code


def actions(speech: Speech) -> list[tuple[str, str]]:
    """Return all further actions with their labels, for the filter, in the order of the workflow."""
    return [(code, label(code, speech)) for code in LABELS if code not in NAMED]


def refusals() -> frozenset[str]:
    """Return the codes of all refused attempts, for the filter."""
    return frozenset(f"{action}.refused" for action in _ATTEMPTS)
