"""What an operator sets for a gateway, and where its files lie. Values only; nothing here reads a file or the environment."""

from dataclasses import dataclass, field
from pathlib import Path

MAX_SESSIONS = 200
MAX_SESSIONS_PER_GRANT = 4  # an engineer reconnects or opens a second window, not more
MAX_CONNECTIONS = 400  # admitted or not
MAX_CONNECTIONS_PER_ADDRESS = 100  # an office behind one address, yet a quarter of all


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """Settings of one gateway. Port 0 means any free port; the ready file then tells which."""

    state_dir: Path
    control_plane_url: str
    browser_listen: tuple[str, int]
    native_listen: tuple[str, int]
    allowed_origins: tuple[str, ...]  # of the portal, such as https://lockbox.example; an empty list lets no browser in
    browser_url: str  # how the engineer's browser reaches this gateway: ws:// or wss://…/rdp
    native_address: str  # host:port for native clients
    control_plane_ca: Path | None = None  # a private authority's certificates; None means the system's
    browser_tls: tuple[Path, Path] | None = None  # certificate chain and key; None behind a proxy that ends TLS
    ready_file: Path | None = None
    max_sessions: int = MAX_SESSIONS
    max_sessions_per_grant: int = MAX_SESSIONS_PER_GRANT
    max_connections: int = MAX_CONNECTIONS
    # Not for the browser front without its own TLS: there every connection comes from the proxy's address.
    max_connections_per_address: int = MAX_CONNECTIONS_PER_ADDRESS
    first_contact: bool = False  # whether a tenant without a pin is pinned to what it shows first

    @property
    def files(self) -> "StateFiles":
        """Name the files under the state directory."""
        return StateFiles(root=self.state_dir)


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFiles:
    """The state directory, mode 0700 throughout, files 0600."""

    root: Path
    key: Path = field(init=False)  # Ed25519, signs requests and recordings
    recording_key: Path = field(init=False)  # 32 bytes, wraps each recording's own key
    trust: Path = field(init=False)
    identity: Path = field(init=False)  # gateway_id
    tls_certificate: Path = field(init=False)
    tls_key: Path = field(init=False)
    revocations: Path = field(init=False)  # the highest list version ever seen
    lock: Path = field(init=False)
    recordings: Path = field(init=False)
    journal: Path = field(init=False)
    secrets: Path = field(init=False)
    tenants: Path = field(init=False)  # a pin for each

    def __post_init__(self) -> None:
        """Derive the names."""
        names = {
            "key": "key.pem",
            "recording_key": "recording.key",
            "trust": "trust.json",
            "identity": "gateway.json",
            "tls_certificate": "tls-certificate.pem",
            "tls_key": "tls-key.pem",
            "revocations": "revocations.json",
            "lock": "lock",
            "recordings": "recordings",
            "journal": "journal",
            "secrets": "secrets",
            "tenants": "tenants",
        }
        for attribute, name in names.items():
            object.__setattr__(self, attribute, self.root / name)
