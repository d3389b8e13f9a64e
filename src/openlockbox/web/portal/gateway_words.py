"""What the gateway's refusals mean for an engineer, in plain sentences. Codes: docs/spec/grant-format.md. No rules."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from openlockbox.domain.text import N_

_AGAIN: Final = N_("This connection was used already or came too late. Go back and connect again.")
_UNABLE: Final = N_(
    "The gateway cannot open anything at present: it has lost the portal, or it cannot record. Try again soon."
)
_UNSIGNED: Final = N_(
    "The gateway does not accept this access: it is not signed as it should be, or not for this gateway."
)
_UNKNOWN: Final = N_("The gateway does not know this customer yet. Its operator has to run: lockbox gateway trust")
_ROSTER: Final = N_("The customer's list of keys, as the portal shows it, does not fit what the gateway knows of it.")
_OTHER: Final = N_("This access is not what the customer was shown and approved.")
_DECISION: Final = N_("The customer's approval is not signed by a key that may decide for this customer.")
_LOG: Final = N_(
    "The customer's activity log does not prove what it has to prove. The gateway opens nothing until that is clear."
)
_WITNESS: Final = N_(
    "The customer wants a witness to see each approval first, and not enough witnesses have. Try again soon."
)
_NO_KEY: Final = N_("This customer asks for your own passkey. Add one to your profile, then request elevation again.")
_PRESENCE: Final = N_("The gateway needs your passkey for each connection: the one that was shown to the customer.")
_OVER: Final = N_("This access has ended, or was taken back.")

REFUSALS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                "token_malformed",
                "token_signature",
                "token_for_other_gateway",
                "token_front",
                "token_lifetime",
                "token_not_yet",
                "token_expired",
                "token_before_start",
                "token_reused",
            ),
            _AGAIN,
        ),
        **dict.fromkeys(
            (
                "grant_unavailable",
                "evidence_unavailable",
                "lease_stale",
                "pin_unusable",
                "session_not_recorded",
                "recording_unavailable",
                "gateway_stopping",
            ),
            _UNABLE,
        ),
        "session_limit": N_("As many connections are open as there may be. Close one of yours first."),
        "password_wrong": N_("The one-time password was wrong. Go back and prepare another connection."),
        **dict.fromkeys(("grant_malformed", "grant_signature", "grant_mismatch"), _UNSIGNED),
        "tenant_not_pinned": _UNKNOWN,
        **dict.fromkeys(("roster_malformed", "roster_rolled_back", "roster_forked", "roster_change_wrong"), _ROSTER),
        **dict.fromkeys(
            ("displayed_wrong", "grant_not_as_displayed", "wider_than_displayed", "wider_than_statement"), _OTHER
        ),
        **dict.fromkeys(
            (
                "grant_without_decision",
                "signature_required",
                "key_not_on_roster",
                "key_added_later",
                "key_of_other_person",
                "signature_wrong",
            ),
            _DECISION,
        ),
        **dict.fromkeys(
            (
                "approval_not_logged",
                "checkpoint_wrong",
                "inclusion_wrong",
                "log_rolled_back",
                "log_forked",
                "start_not_logged",
            ),
            _LOG,
        ),
        "witness_missing": _WITNESS,
        "presence_key_missing": _NO_KEY,
        **dict.fromkeys(("presence_missing", "presence_wrong", "presence_malformed"), _PRESENCE),
        **dict.fromkeys(("grant_not_yet", "grant_over", "grant_revoked"), _OVER),
    }
)
REFUSED: Final = N_("The gateway refused the connection.")
# What the page itself finds, before the gateway can say anything.
PAGE_PROBLEMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "stopped": N_("Your passkey was not used. Without it the gateway opens nothing."),
        "unsupported": N_("This browser cannot use passkeys."),
        "unreachable": N_("The gateway cannot be reached from this browser."),
    }
)
