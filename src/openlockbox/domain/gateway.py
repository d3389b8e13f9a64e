"""The gateways as the control plane knows them: who they are, how clients reach them, what they last confirmed."""

from dataclasses import dataclass
from datetime import datetime

from openlockbox.domain.ids import GatewayId


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """One gateway. Invited with a one-time code, enrolled once its public key is known."""

    id: GatewayId
    name: str
    enrolment_code_sha256: str  # empty once used
    enrolment_ends_at: datetime | None
    public_key: str = ""  # base64url Ed25519, empty until enrolled
    browser_url: str = ""  # ws:// or wss:// address that the engineer's browser opens
    native_address: str = ""  # host:port for native RDP clients
    native_certificate_sha256: str = ""
    applied_version: int = 0  # the revocation list it last confirmed
    lease_at: datetime | None = None  # when it last asked
    version: int = 1
