"""The approver roster: which keys decide for a tenant. Versioned, each version signed by keys of the one before. Pure; keeps no list.

docs/spec/roster-format.md is normative. There are no names of people in it: a key belongs to a principal's id.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple, NoReturn

from openlockbox.grants.assertion import (
    KINDS,
    MAX_SIGNATURE,
    SignatureRefused,
    SigningKey,
    load_spki,
    name_key,
    verify_signature,
)
from openlockbox.grants.encoding import EnvelopeRefused, Fields, Json, encode_instant, parse_b64url, parse_canonical
from openlockbox.grants.keys import parse_public_key
from openlockbox.grants.statement import MAX_ROSTER_VERSION, canonical, digest, sorted_names

ROSTER: Final = "openlockbox.roster"
SIGNED_ROSTER: Final = "openlockbox.signed_roster"
FORMAT: Final = 1
MAX_ROSTER: Final = 131_072
MAX_KEYS: Final = 200
MAX_RECOVERY_KEYS: Final = 10
MAX_NOTARIES: Final = 20  # log keys; witnesses
MAX_SIGNATURES: Final = 32
MAX_SIGNED: Final = 2 * MAX_ROSTER + MAX_SIGNATURES * 2 * MAX_SIGNATURE
_FIELDS: Final = (
    "type", "format", "tenant_id", "version", "previous", "rp_id", "origins", "keys", "recovery_keys", "quorum",
    "unsigned_decisions", "log_keys", "witnesses", "witness_quorum", "at",
)  # fmt: skip
_KEY: Final = ("key_id", "kind", "public_key", "credential_id", "principal_id", "added_in")
_RECOVERY_KEY: Final = ("key_id", "public_key")
_SIGNED: Final = ("type", "format", "roster", "signatures")
_SIGNATURE: Final = ("key_id", "signature")


class RosterRefused(Exception):
    """A roster or a change of it that does not hold. `code` is stable and listed in docs/spec/roster-format.md."""

    def __init__(self, code: str, detail: str = "") -> None:
        self.code, self.detail = code, detail
        super().__init__(f"{code}: {detail}" if detail else code)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryKey:
    """A key that the customer keeps offline. One signature of it changes anything in the roster; it decides no request."""

    key_id: str
    public_key: str  # raw Ed25519, base64url


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """One version. `digest` is that of its text; the digest of version 1 is the root fingerprint."""

    tenant_id: str
    version: int
    previous: str
    rp_id: str
    origins: tuple[str, ...]
    keys: tuple[SigningKey, ...]
    recovery_keys: tuple[RecoveryKey, ...]
    quorum: int
    unsigned_decisions: bool
    log_keys: tuple[str, ...]
    witnesses: tuple[str, ...]
    witness_quorum: int
    at: datetime
    digest: str = ""

    def find(self, key_id: str) -> SigningKey | None:
        """Return the key of this id."""
        return next((key for key in self.keys if key.key_id == key_id), None)


class SignedBy(NamedTuple):
    """One signature under a roster's text."""

    key_id: str
    signature: str


class SignedRoster(NamedTuple):
    """A roster, its text to the letter, and the signatures under it; none of them checked yet."""

    roster: Roster
    text: str
    signatures: tuple[SignedBy, ...]


def roster_text(roster: Roster) -> str:
    """Write a roster as it is signed. `roster.digest` is not part of it.

    Raises:
        ValueError: it would not be read back.
    """
    text = canonical(
        {
            "type": ROSTER,
            "format": FORMAT,
            "tenant_id": roster.tenant_id,
            "version": roster.version,
            "previous": roster.previous,
            "rp_id": roster.rp_id,
            "origins": sorted(roster.origins),
            "keys": [
                {
                    "key_id": key.key_id,
                    "kind": key.kind,
                    "public_key": key.public_key,
                    "credential_id": key.credential_id,
                    "principal_id": key.principal_id,
                    "added_in": key.added_in,
                }
                for key in sorted(roster.keys, key=lambda key: key.key_id)
            ],
            "recovery_keys": [
                {"key_id": key.key_id, "public_key": key.public_key}
                for key in sorted(roster.recovery_keys, key=lambda key: key.key_id)
            ],
            "quorum": roster.quorum,
            "unsigned_decisions": roster.unsigned_decisions,
            "log_keys": sorted(roster.log_keys),
            "witnesses": sorted(roster.witnesses),
            "witness_quorum": roster.witness_quorum,
            "at": encode_instant(roster.at),
        }
    )
    try:
        open_roster(text)
    except RosterRefused as error:
        raise ValueError(str(error)) from error
    return text


def signed_roster_text(text: str, signatures: Collection[SignedBy]) -> str:
    """Put a roster's text and its signatures together."""
    return canonical(
        {
            "type": SIGNED_ROSTER,
            "format": FORMAT,
            "roster": text,
            "signatures": [{"key_id": s.key_id, "signature": s.signature} for s in signatures],
        }
    )


def _refuse(detail: str) -> NoReturn:
    raise RosterRefused("roster_malformed", detail)


def _fields(text: str, names: Sequence[str], *, limit: int) -> Fields:
    if len(text) > limit:
        _refuse("too long")
    try:
        return Fields(parse_canonical(text.encode("utf-8")), names)
    except UnicodeEncodeError as error:
        raise RosterRefused("roster_malformed", "not UTF-8") from error


def open_roster(text: str) -> Roster:
    """Read a roster strictly. Whether it was signed is `check_first`'s and `check_change`'s to say.

    Raises:
        RosterRefused: `roster_malformed`.
    """
    try:
        return _read_roster(text)
    except (EnvelopeRefused, SignatureRefused) as error:
        raise RosterRefused("roster_malformed", str(error)) from error


def _read_roster(text: str) -> Roster:
    fields = _fields(text, _FIELDS, limit=MAX_ROSTER)
    fields.choice("type", (ROSTER,))
    fields.format(FORMAT)
    version = fields.integer("version", least=1, most=MAX_ROSTER_VERSION)
    previous = "" if fields.value("previous") == "" else fields.sha256("previous")
    if (version == 1) != (previous == ""):
        _refuse("previous")
    keys = tuple(_read_key(item, version) for item in fields.array("keys"))
    recovery_keys = tuple(_read_recovery_key(item) for item in fields.array("recovery_keys"))
    _check_listed([key.key_id for key in keys], "keys", least=1, most=MAX_KEYS)
    _check_listed([key.key_id for key in recovery_keys], "recovery_keys", least=0, most=MAX_RECOVERY_KEYS)
    if {key.key_id for key in keys} & {key.key_id for key in recovery_keys}:
        _refuse("a recovery key decides nothing")
    unsigned_decisions = fields.value("unsigned_decisions")
    if not isinstance(unsigned_decisions, bool):
        _refuse("unsigned_decisions")
    origins = sorted_names(fields, "origins")
    log_keys, witnesses = sorted_names(fields, "log_keys"), sorted_names(fields, "witnesses")
    if not origins or max(len(origins), len(log_keys), len(witnesses)) > MAX_NOTARIES:
        _refuse("origins, log_keys or witnesses")
    return Roster(
        tenant_id=fields.text("tenant_id"),
        version=version,
        previous=previous,
        rp_id=fields.text("rp_id"),
        origins=origins,
        keys=keys,
        recovery_keys=recovery_keys,
        quorum=fields.integer("quorum", least=1, most=len({key.principal_id for key in keys})),  # people, not keys
        unsigned_decisions=unsigned_decisions,
        log_keys=log_keys,
        witnesses=witnesses,
        witness_quorum=fields.integer("witness_quorum", least=0, most=len(witnesses)),
        at=fields.instant("at"),
        digest=digest(text),
    )


def _check_listed(key_ids: list[str], field: str, *, least: int, most: int) -> None:
    if not least <= len(key_ids) <= most or key_ids != sorted(set(key_ids)):
        _refuse(field)


def _read_key(item: Json, version: int) -> SigningKey:
    fields = Fields(item, _KEY)
    kind = fields.choice("kind", KINDS)
    public_key, credential_id = fields.text("public_key"), fields.long_text("credential_id", limit=2_048)
    raw = parse_b64url(public_key)
    if kind == "passkey":
        load_spki(raw)
        if not parse_b64url(credential_id):
            _refuse("credential_id")
    else:
        parse_public_key(public_key)
        if credential_id:
            _refuse("credential_id")
    if fields.text("key_id") != name_key(raw):
        _refuse("key_id")
    return SigningKey(
        key_id=fields.text("key_id"),
        kind=kind,
        public_key=public_key,
        credential_id=credential_id,
        principal_id=fields.text("principal_id"),
        added_in=fields.integer("added_in", least=1, most=version),
    )


def _read_recovery_key(item: Json) -> RecoveryKey:
    fields = Fields(item, _RECOVERY_KEY)
    public_key = fields.text("public_key")
    parse_public_key(public_key)
    if fields.text("key_id") != name_key(parse_b64url(public_key)):
        _refuse("key_id")
    return RecoveryKey(key_id=fields.text("key_id"), public_key=public_key)


def open_signed(text: str) -> SignedRoster:
    """Read a signed roster strictly; its signatures are not checked here.

    Raises:
        RosterRefused: `roster_malformed`.
    """
    try:
        fields = _fields(text, _SIGNED, limit=MAX_SIGNED)
        fields.choice("type", (SIGNED_ROSTER,))
        fields.format(FORMAT)
        written = fields.long_text("roster", limit=MAX_ROSTER)
        signatures = tuple(_read_signature(item) for item in fields.array("signatures"))
    except EnvelopeRefused as error:
        raise RosterRefused("roster_malformed", str(error)) from error
    if not 0 < len(signatures) <= MAX_SIGNATURES or len({s.key_id for s in signatures}) != len(signatures):
        _refuse("signatures")
    return SignedRoster(open_roster(written), written, signatures)


def unwrap(text: str) -> tuple[str, tuple[SignedBy, ...]]:
    """Return the text and what signed it so far: of a signed roster, or of a text that nobody signed yet. Nothing is checked.

    Raises:
        RosterRefused: `roster_malformed`, it is neither.
    """
    try:
        signed = open_signed(text)
    except RosterRefused:
        open_roster(text)
        return text, ()
    return signed.text, signed.signatures


def _read_signature(item: Json) -> SignedBy:
    fields = Fields(item, _SIGNATURE)
    return SignedBy(fields.text("key_id"), fields.long_text("signature", limit=MAX_SIGNATURE))


def check_first(signed: SignedRoster | str) -> Roster:
    """Check a version 1: signed by keys that it lists. Whether it is the right one, only its fingerprint says.

    Raises:
        RosterRefused: `roster_malformed`, `roster_version`, `roster_key_changed`, `roster_signer`, `roster_signature`.
    """
    roster, text, signatures = open_signed(signed) if isinstance(signed, str) else signed
    if roster.version != 1:
        raise RosterRefused("roster_version")
    _check_signatures(roster, text, signatures)
    if not any(roster.find(s.key_id) for s in signatures):
        raise RosterRefused("roster_quorum", "signed by a recovery key only")
    return roster


def check_change(old: Roster, signed: SignedRoster | str) -> Roster:
    """Check that a version follows the one before, and that enough keys of that one signed it. Return the new one.

    Raises:
        RosterRefused: `roster_malformed`, `roster_version`, `roster_tenant`, `roster_previous`, `roster_time`,
            `roster_key_changed`, `roster_signer`, `roster_signature`, `roster_quorum`.
    """
    new, text, signatures = open_signed(signed) if isinstance(signed, str) else signed
    # 1  It is the next version of the same tenant's, made of exactly the one before, and not earlier.
    if new.tenant_id != old.tenant_id:
        raise RosterRefused("roster_tenant")
    if new.version != old.version + 1:
        raise RosterRefused("roster_version")
    if new.previous != old.digest:
        raise RosterRefused("roster_previous")
    if new.at < old.at:
        raise RosterRefused("roster_time")
    # 2  A key that stays is as it was, and a new one says that it is new: an addition cannot pose as an old key.
    before = {key.key_id: key for key in old.keys}
    for key in new.keys:
        if key != before.get(key.key_id, key) or (key.key_id not in before and key.added_in != new.version):
            raise RosterRefused("roster_key_changed", key.key_id)
    # 3  Every signature is by a key of the old version, and holds.
    _check_signatures(old, text, signatures)
    # 4  A recovery key may change anything; one key may remove keys; the rest needs the quorum, additions too: otherwise
    #    one person could add keys of their own until they are the quorum.
    recovery = {key.key_id for key in old.recovery_keys}
    needed = old.quorum if needs_quorum(old, new) else 1
    people = {before[s.key_id].principal_id for s in signatures if s.key_id in before}  # two keys of one person are one
    if len(people) < needed and not any(s.key_id in recovery for s in signatures):
        raise RosterRefused("roster_quorum", f"{len(people)} of {needed}")
    return new


def needs_quorum(old: Roster, new: Roster) -> bool:
    """Tell whether the change is more than removing keys, or taking unsigned decisions away."""

    def rules(roster: Roster) -> tuple[object, ...]:
        return (
            roster.recovery_keys, roster.quorum, roster.origins, roster.rp_id, roster.log_keys, roster.witnesses,
            roster.witness_quorum,
        )  # fmt: skip

    added = {key.key_id for key in new.keys} - {key.key_id for key in old.keys}
    return bool(added) or rules(old) != rules(new) or (new.unsigned_decisions and not old.unsigned_decisions)


def _check_signatures(signers: Roster, text: str, signatures: Sequence[SignedBy]) -> None:
    """Check each signature; a wrong one among right ones is refused too."""
    keys = {key.key_id: key for key in signers.keys} | {
        key.key_id: SigningKey(
            key_id=key.key_id, kind="ed25519", public_key=key.public_key, credential_id="", principal_id="", added_in=0
        )
        for key in signers.recovery_keys
    }
    for key_id, signature in signatures:
        if key_id not in keys:
            raise RosterRefused("roster_signer", key_id)
        try:
            verify_signature(keys[key_id], signature, text, rp_id=signers.rp_id, origins=signers.origins)
        except SignatureRefused as error:
            raise RosterRefused("roster_signature", error.code) from error


def verify_chain(signed: Sequence[str], *, root: str) -> list[Roster]:
    """Check all versions from the first, whose fingerprint is `root`, on.

    Raises:
        RosterRefused: `roster_root`, and as `check_first` and `check_change`.
    """
    rosters: list[Roster] = []
    for text in signed:
        if rosters:
            rosters.append(check_change(rosters[-1], text))
            continue
        first = check_first(text)
        if first.digest != root:
            raise RosterRefused("roster_root")
        rosters.append(first)
    return rosters
