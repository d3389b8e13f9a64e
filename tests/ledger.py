"""A customer's log made by hand, entry by entry, as an honest provider would write it; tests then bend it. Its own leaf encoder."""

import base64
import hashlib
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from openlockbox.activitylog.entry import hash_leaf
from openlockbox.activitylog.note import Checkpoint, origin_of, sign_checkpoint, verifier_key
from openlockbox.activitylog.tree import inclusion_proof, root_of
from openlockbox.grants.assertion import sign_text
from openlockbox.grants.encoding import b64url, canonical_bytes, encode_instant
from openlockbox.grants.grant import (
    DecisionDocument,
    GrantDocument,
    LogDocument,
    TargetDocument,
    seal_grant,
    signed_decision,
)
from openlockbox.grants.keys import Ed25519Signer, public_bytes
from openlockbox.grants.session_start import SessionStart, seal_session_start
from openlockbox.grants.statement import decision_statement, digest
from openlockbox.verification.audit import LogAudit, Notes
from openlockbox.verification.findings import Report
from openlockbox.verification.leaves import read_leaf
from openlockbox.verification.pin import Pin
from openlockbox.verification.stated import recordings_of, write_stated

TENANT = "ambertide"
RESOURCE = (
    "/subscriptions/ambertide-production/resourcegroups/kiln/providers/microsoft.compute/virtualmachines/vm-kiln-07"
)
CASE = "SR-0123456789abcdef"
START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def signer(seed: int) -> Ed25519Signer:
    return Ed25519Signer(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(str(seed).encode()).digest()))


def public(key: Ed25519Signer) -> str:
    return b64url(public_bytes(key.public_key))


class Ledger:
    """The log of one organization. Times go on by a second an entry."""

    def __init__(self, tenant: str = TENANT, *, seed: int = 7) -> None:
        self.tenant, self.now = tenant, START
        self.random = random.Random(seed)
        self.log_key, self.approver_key, self.gateway_key, self.grant_key = (signer(seed * 10 + i) for i in range(4))
        self.leaves: list[bytes] = []
        self.opened: dict[str, dict[str, dict[str, str]]] = {}
        self.documents: dict[str, str] = {}
        self.rosters: list[str] = []  # their texts
        self.requests: dict[str, str] = {}  # as displayed
        self.vkey = verifier_key(origin_of(tenant), public_bytes(self.log_key.public_key))

    # ---- entries ----

    def add(
        self,
        action: str,
        subject: str,
        *,
        actor: str = "principal:idris",
        detail: Mapping[str, str] | None = None,
        personal: Mapping[str, str] | None = None,
        document: str = "",
    ) -> int:
        index = len(self.leaves)
        self.now += timedelta(seconds=1)
        beside = {
            name: {"salt": b64url(self.random.randbytes(16)), "value": value}
            for name, value in (personal or {}).items()
        }
        leaf = {
            "v": 1,
            "tenant": self.tenant,
            "index": index,
            "at": encode_instant(self.now),
            "action": action,
            "operation": "",
            "actor": actor,
            "subject": subject,
            "resource": RESOURCE,
            "correlation": CASE,
            "detail": dict(detail or {}),
            "document": digest(document) if document else "",
            "personal": {name: committed(field) for name, field in beside.items()},
        }
        self.leaves.append(canonical_bytes(leaf))
        if beside:
            self.opened[str(index)] = beside
        if document:
            self.documents[digest(document)] = document
        return index

    # ---- the workflow ----

    def roster(
        self,
        *,
        keys: Sequence[tuple[Ed25519Signer, str]] | None = None,
        by: Ed25519Signer | None = None,
        **changes: object,
    ) -> int:
        """Write the next version of the roster: by default one with the approver's key, signed by it."""
        version = len(self.rosters) + 1
        before = json.loads(self.rosters[-1]) if self.rosters else None
        known = {} if before is None else {key["key_id"]: key for key in before["keys"]}
        wanted = keys if keys is not None else [(self.approver_key, "senna")]
        listed = [
            known.get(key.key_id)
            or {"key_id": key.key_id, "kind": "ed25519", "public_key": public(key), "credential_id": "",
                "principal_id": person, "added_in": version}
            for key, person in wanted
        ]  # fmt: skip
        text = canonical_bytes(
            {
                "type": "openlockbox.roster", "format": 1, "tenant_id": self.tenant, "version": version,
                "previous": digest(self.rosters[-1]) if self.rosters else "", "rp_id": "localhost",
                "origins": ["http://localhost"], "keys": sorted(listed, key=lambda key: key["key_id"]), "recovery_keys": [],
                "quorum": 1, "unsigned_decisions": False, "log_keys": [self.vkey], "witnesses": [],
                "witness_quorum": 0, "at": encode_instant(self.now),
            } | changes
        ).decode()  # fmt: skip
        self.rosters.append(text)
        author = by or self.approver_key
        signed = canonical_bytes(
            {
                "type": "openlockbox.signed_roster",
                "format": 1,
                "roster": text,
                "signatures": [{"key_id": author.key_id, "signature": sign_text(text, author)}],
            }
        ).decode()
        return self.add("roster.changed", f"tenant:{self.tenant}", actor="principal:tessa", document=signed)

    def request(self, name: str = "LBX-1", *, roster_version: int | None = None) -> int:
        answer_by = self.now + timedelta(days=4)
        shown = canonical_bytes(
            {
                "type": "openlockbox/request", "v": 1, "id": name,
                "tenant": {"id": self.tenant, "name": "Ambertide Ceramics"},
                "provider": {"id": "ostervane", "name": "Ostervane Cloud"},
                "requester": {"id": "idris", "name": "Idris", "title": "", "isolated_identity": True, "mfa_at": "",
                              "key": None},
                "resource": {"id": RESOURCE, "subscription": "ambertide-production", "name": "vm-kiln-07", "type": "vm",
                             "operating_system": "Windows", "description": "",
                             "target": {"gateway": "gateway-1", "address": "127.0.0.1", "port": 3389, "security": "tls",
                                        "certificate_sha256": "ab" * 32, "secret_refs": {"operate": "vm-user"}}},
                "scenario": "remote_desktop", "permission": "operate", "channels": [], "duration_s": 7200,
                "justification": "I need the local event log.",
                "service_request": {"id": CASE, "title": "Kiln", "description": "Hot."},
                "verdict": {"policy": "p", "reviewed_by": "", "reasons": []}, "approvers": ["orla", "senna"],
                "roster_version": len(self.rosters) if roster_version is None else roster_version,
                "created_at": self.now.isoformat(), "answer_by": answer_by.isoformat(),
            }
        ).decode()  # fmt: skip
        self.requests[name] = shown
        return self.add(
            "request.created",
            f"request:{name}",
            detail={
                "requester": "idris",
                "permission": "operate",
                "digest": digest(shown),
                "approvers": "orla,senna",
                "answer_by": answer_by.isoformat(),
            },
            personal={"actor_name": "Idris"},
            document=shown,
        )

    def statement(self, name: str, *, by: str, decision: str, **changes: object) -> str:
        shown = self.requests[name]
        said = {
            "tenant_id": self.tenant,
            "request_id": name,
            "request_digest": digest(shown),
            "decision": decision,
            "granted_duration": HOUR if decision == "approve" else None,
            "permission": "operate",
            "channels": (),
            "reason": "",
            "by": by,
            "at": self.now,
            "nonce": b64url(self.random.randbytes(16)),
            "roster_version": json.loads(shown)["roster_version"],
        }
        return decision_statement(**(said | changes))

    def decide(
        self,
        name: str = "LBX-1",
        *,
        by: str = "senna",
        key: Ed25519Signer | None = None,
        signature: str | None = None,
        decision: str = "approve",
        detail: Mapping[str, str] | None = None,
        **changes: object,
    ) -> int:
        """Approve, signed with the approver's key where there is a roster."""
        text = self.statement(name, by=by, decision=decision, **changes)
        signing = key or (self.approver_key if self.rosters else None)
        if signing is None:
            self.decision = DecisionDocument(statement=text, method="unsigned")
        else:
            made = sign_text(text, signing) if signature is None else signature
            self.decision = DecisionDocument(statement=text, method="ed25519", key_id=signing.key_id, signature=made)
        return self.add(
            "request.approved" if decision == "approve" else "request.denied",
            f"request:{name}",
            actor=f"principal:{by}",
            detail={"digest": digest(self.requests[name]), "method": self.decision.method, **(detail or {})},
            personal={"actor_name": by.capitalize()},
            document=signed_decision(self.decision),
        )

    def grant(
        self, name: str = "LBX-1", grant_id: str = "GRT-1", *, duration: timedelta = HOUR, **changes: object
    ) -> int:
        begin = self.now  # of the approval
        shown = json.loads(self.requests[name])
        wire = GrantDocument(
            **{
                "grant_id": grant_id, "tenant_id": self.tenant, "request_id": name, "correlation_id": CASE,
                "engineer_id": "idris", "resource_id": RESOURCE, "resource_name": "vm-kiln-07",
                "gateway_id": shown["resource"]["target"]["gateway"], "scenario": "remote_desktop", "permission": "operate",
                "channels": (),
                "target": TargetDocument(address="127.0.0.1", port=3389, security="tls", certificate_sha256="ab" * 32,
                                         secret_ref="vm-user"),
                "request_digest": digest(self.requests[name]), "displayed": self.requests[name], "decision": self.decision,
                "log": LogDocument(index=0, leaf=b"leaf", checkpoint="", proof=()),
                "issued_at": begin, "not_before": begin, "not_after": begin + duration,
            } | changes
        )  # fmt: skip
        return self.add(
            "grant.issued",
            f"grant:{grant_id}",
            actor="principal:senna",
            detail={
                "request": name,
                "engineer": "idris",
                "gateway": "gateway-1",
                "not_after": (begin + duration).isoformat(),
            },
            document=seal_grant(wire, self.grant_key),
        )

    def session(self, session_id: str = "SES-1", grant_id: str = "GRT-1", *, key: Ed25519Signer | None = None) -> int:
        said = SessionStart(
            session_id=session_id,
            grant_id=grant_id,
            tenant_id=self.tenant,
            gateway_id="gateway-1",
            engineer_id="idris",
            front="browser",
            at=self.now,
        )
        return self.add(
            "session.started",
            f"session:{session_id}",
            actor="gateway:gateway-1",
            detail={
                "grant": grant_id,
                "engineer": "idris",
                "front": "browser",
                "gateway_key": public(self.gateway_key),
            },
            personal={"client_address": "198.51.100.7"},
            document=seal_session_start(said, key or self.gateway_key),
        )

    def end(self, session_id: str = "SES-1", *, at: datetime | None = None, **detail: str) -> int:
        return self.add(
            "session.terminated",
            f"session:{session_id}",
            actor="gateway:gateway-1",
            detail={
                "grant": "GRT-1",
                "reason": "client_closed",
                "ended_at": (at or self.now).isoformat(),
                "recording_sha256": "cd" * 32,
                "recording_bytes": "4096",
                "recording_chunks": "2",
                **detail,
            },
        )

    def revoke(self, grant_id: str = "GRT-1") -> int:
        return self.add("grant.revoking", f"grant:{grant_id}", actor="principal:senna", detail={"side": "customer"})

    def access(self, number: int = 1) -> None:
        """Write one whole access."""
        name, grant_id, session_id = f"LBX-{number}", f"GRT-{number}", f"SES-{number}"
        self.request(name)
        self.decide(name)
        self.grant(name, grant_id)
        self.session(session_id, grant_id)
        self.end(session_id, grant=grant_id)

    # ---- looking ----

    def note(self, size: int | None = None) -> str:
        count = len(self.leaves) if size is None else size
        root = root_of([hash_leaf(leaf) for leaf in self.leaves[:count]])
        return sign_checkpoint(Checkpoint(origin=origin_of(self.tenant), size=count, root=root), self.log_key)

    def pin(self) -> Pin:
        if self.rosters:
            return Pin(tenant_id=self.tenant, roster_root=digest(self.rosters[0]))
        return Pin(tenant_id=self.tenant, log_keys=(self.vkey,))

    def audit(
        self, *, note: str | None = None, pin: Pin | None = None, witnessed: str = "", as_of: datetime | None = None
    ) -> Report:
        audit = LogAudit(
            self.tenant,
            pin=pin or self.pin(),
            documents=self.documents.get,
            notes=Notes(checkpoint=self.note() if note is None else note, witnessed=witnessed),
        )
        for first in range(0, len(self.leaves), 256):
            beside = {str(i): self.opened[str(i)] for i in range(first, first + 256) if str(i) in self.opened}
            audit.take(self.leaves[first : first + 256], json.dumps(beside))
        return audit.finish(as_of or self.now)

    def codes(self, **more: object) -> list[str]:
        """Return the codes of what the audit finds wrong."""
        return [finding.code for finding in self.audit(**more).wrong]  # type: ignore[arg-type]

    def evidence(self, name: str = "LBX-1") -> str:
        """Export evidence on a request, as services/evidence.py does."""
        about = {f"request:{name}", f"grant:{name.replace('LBX', 'GRT')}", f"session:{name.replace('LBX', 'SES')}"}
        chosen = [
            leaf for leaf in map(read_leaf, self.leaves) if leaf.subject in about or leaf.action == "roster.changed"
        ]
        shown = json.loads(self.requests[name])
        self.now += timedelta(seconds=1)
        at = self.now
        self.now -= timedelta(seconds=1)
        stated = write_stated(
            {
                "tenant_id": self.tenant,
                "request_id": name,
                "at": encode_instant(at),
                "service_request": shown["service_request"] | {"messages": []},
                "verdict": {},
                "recordings": recordings_of(chosen),
                "keys": {},
            }
        )
        last = self.add("evidence.exported", f"request:{name}", personal={"actor_name": "Rhea"}, document=stated)
        chosen.append(read_leaf(self.leaves[last]))
        hashes = [hash_leaf(leaf) for leaf in self.leaves]

        def read(level: int, index: int) -> bytes:
            return root_of(hashes[index << level : (index + 1) << level])

        named = {leaf.document for leaf in chosen}
        return canonical_bytes(
            {
                "type": "openlockbox.evidence",
                "format": 1,
                "tenant_id": self.tenant,
                "request_id": name,
                "checkpoint": self.note(),
                "witnessed": None,
                "entries": [
                    {
                        "leaf": self.leaves[leaf.index].decode(),
                        "opened": self.opened.get(str(leaf.index), {}),
                        "proof": [
                            base64.b64encode(step).decode() for step in inclusion_proof(leaf.index, len(hashes), read)
                        ],
                    }
                    for leaf in chosen
                ],
                "documents": {sha: body for sha, body in self.documents.items() if sha in named},
            }
        ).decode()

    def rewrite(self, index: int, **members: object) -> None:
        """Change members of a leaf, as a provider does who makes the tree and the checkpoint anew."""
        self.leaves[index] = canonical_bytes(json.loads(self.leaves[index]) | members)


def committed(field: Mapping[str, str]) -> str:
    salt = base64.urlsafe_b64decode(field["salt"] + "==")
    return b64url(hashlib.sha256(salt + field["value"].encode()).digest())


# ---- bending a document ----


def places(value: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """Yield the path of every text and number in a document."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))
    else:
        yield path


def bent(document: object, path: tuple[object, ...], bend: Callable[[object], object]) -> object:
    if not path:
        return bend(document)
    copy = dict(document) if isinstance(document, dict) else list(document)  # type: ignore[call-overload]
    copy[path[0]] = bent(copy[path[0]], path[1:], bend)
    return copy


def flip(value: object) -> object:
    """Change a value so that it stays of its kind."""
    if isinstance(value, str):
        middle = len(value) // 2
        return value[:middle] + ("A" if value[middle : middle + 1] != "A" else "B") + value[middle + 1 :]
    return [] if value is None else not value if isinstance(value, bool) else value + 1  # type: ignore[operator]
