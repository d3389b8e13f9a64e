"""What a gateway holds on to about one tenant: its roster's root and newest version, and how far it saw the log. Pure."""

from dataclasses import dataclass
from typing import Final

from openlockbox.grants.encoding import EnvelopeRefused, Fields, Json
from openlockbox.grants.trust import MAX_VERSION

FORMAT: Final = 1
_FIELDS: Final = ("format", "tenant_id", "roster_root", "roster_version", "roster_digest", "log_size", "log_root")


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantPin:
    """The pin. Digests are lower-case hex, "" for none. A root without a version: the roster is known by its fingerprint only."""

    tenant_id: str
    roster_root: str = ""
    roster_version: int = 0
    roster_digest: str = ""
    log_size: int = 0
    log_root: str = ""

    def follows(self, old: "TenantPin") -> bool:
        """Tell whether this one takes nothing back of what the old one holds. What is new in it, the caller has proved."""
        same_tenant = self.tenant_id == old.tenant_id
        same_root = old.roster_root in {"", self.roster_root}
        roster = (self.roster_version, self.roster_digest)
        newer_roster = self.roster_version > old.roster_version or roster == (old.roster_version, old.roster_digest)
        newer_log = self.log_size > old.log_size or (self.log_size, self.log_root) == (old.log_size, old.log_root)
        return same_tenant and same_root and newer_roster and newer_log


def encode_pin(pin: TenantPin) -> dict[str, Json]:
    """Return the pin as a JSON object."""
    return {
        "format": FORMAT,
        "tenant_id": pin.tenant_id,
        "roster_root": pin.roster_root,
        "roster_version": pin.roster_version,
        "roster_digest": pin.roster_digest,
        "log_size": pin.log_size,
        "log_root": pin.log_root,
    }


def decode_pin(document: Json) -> TenantPin:
    """Read a pin strictly.

    Raises:
        EnvelopeRefused: `payload_malformed`, `format_unknown`.
    """
    fields = Fields(document, _FIELDS)
    fields.format(FORMAT)

    def digest(name: str) -> str:
        return "" if fields.value(name) == "" else fields.sha256(name)

    pin = TenantPin(
        tenant_id=fields.text("tenant_id"),
        roster_root=digest("roster_root"),
        roster_version=fields.integer("roster_version", least=0, most=MAX_VERSION),
        roster_digest=digest("roster_digest"),
        log_size=fields.integer("log_size", least=0, most=MAX_VERSION),
        log_root=digest("log_root"),
    )
    has_roster, has_log = bool(pin.roster_digest), bool(pin.log_root)
    if has_roster != (pin.roster_version > 0) or has_log != (pin.log_size > 0) or (has_roster and not pin.roster_root):
        raise EnvelopeRefused("payload_malformed", "pin")
    return pin
