"""What the API returns to be signed, and of what was signed."""

from openlockbox.web.api.documents import Document


class StatementDocument(Document, frozen=True, kw_only=True):
    """A decision to sign, with the keys of the caller's that count for it. `hindrance`: the refusal's code where none does."""

    statement: str
    is_signature_required: bool
    key_ids: list[str]
    hindrance: str


class RosterDocument(Document, frozen=True, kw_only=True):
    """An approver roster: all signed versions, and the fingerprint of the first. Verify them; the rest follows from them."""

    tenant_id: str
    version: int
    root: str
    signed: list[str]


class RosterProposalDocument(Document, frozen=True, kw_only=True):
    """A roster to sign: its text, the caller's keys that may sign it, and how many signatures it takes."""

    text: str
    signatures_needed: int
    key_ids: list[str]
