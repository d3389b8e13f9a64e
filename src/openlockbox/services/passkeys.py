"""One's own passkeys, step-up, and the keys of one's automations. What a key may sign for is the roster's matter, not this module's.

A step-up renews the second factor of the present sign-in; acts on keys want one that is at most ten minutes old, so a browser
left open, or a stolen cookie, changes no keys.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from openlockbox.domain.errors import CodeRefused, InvalidInput, NotFound, PasskeyRefused
from openlockbox.domain.ids import PrincipalId
from openlockbox.domain.principal import Principal
from openlockbox.grants.assertion import SignatureRefused, SigningKey, verify_text
from openlockbox.grants.encoding import EnvelopeRefused, canonical_bytes, parse_b64url
from openlockbox.grants.keys import key_id_of, parse_public_key
from openlockbox.services.accounts import secret_digest
from openlockbox.services.passkey_ports import AutomationKey, Passkey, WebauthnChallenge
from openlockbox.services.ports import OutboxRow, Presented, UnitOfWork
from openlockbox.services.service_requests import clean
from openlockbox.services.step_up import check_stepped_up
from openlockbox.services.work import Lockbox, Work, command, query

CHALLENGE_TIME: Final = timedelta(minutes=5)  # a person looks for a key in a drawer
MOST_PASSKEYS: Final = 20
MOST_AUTOMATION_KEYS: Final = 20
NAME_LENGTH: Final = 60
KEYS_SCOPE: Final = "signing_keys.write"
SIGNING_KEY_TYPE: Final = "openlockbox.signing_key"


def signing_keys(uow: UnitOfWork, principal_id: PrincipalId) -> list[SigningKey]:
    """Return what the person signs with now: passkeys, then automation keys, oldest first. `added_in` is 0: rosters set it."""
    passkeys = [
        SigningKey(
            key_id=p.key_id,
            kind="passkey",
            public_key=p.public_key_spki,
            credential_id=p.credential_id,
            principal_id=principal_id,
            added_in=0,
        )
        for p in uow.passkeys.of_principal(principal_id)
    ]
    automation = [
        SigningKey(
            key_id=k.key_id,
            kind="ed25519",
            public_key=k.public_key,
            credential_id="",
            principal_id=principal_id,
            added_in=0,
        )
        for k in uow.passkeys.automation_keys(principal_id)
    ]
    return passkeys + automation


def new_challenge(principal_id: PrincipalId, challenge: bytes, purpose: str, *, now: datetime) -> WebauthnChallenge:
    """Return what is kept of a challenge that goes to somebody's browser."""
    return WebauthnChallenge(
        challenge_sha256=hashlib.sha256(challenge).hexdigest(),
        principal_id=principal_id,
        purpose=purpose,
        ends_at=now + CHALLENGE_TIME,
    )


def used_passkey(
    lockbox: Lockbox, uow: UnitOfWork, principal_id: PrincipalId, response: str, *, now: datetime
) -> Passkey:
    """Check that one of the person's passkeys made the response to a challenge that the caller took; note its use.

    Raises:
        PasskeyRefused: another's, a removed or an unknown key; the response does not hold.
    """
    credential_id, challenge = lockbox.passkeys.answered(response)
    held = uow.passkeys.find(credential_id, lock=True)
    if held is None or held.principal_id != principal_id or held.removed_at is not None:
        raise PasskeyRefused
    count = lockbox.passkeys.verify_authentication(response, challenge, held)
    used = replace(held, sign_count=count, last_used_at=now)
    uow.passkeys.save(used)
    return used


def _take_challenge(work: Work, response: str, purpose: str) -> bytes:
    """Use the answered challenge up and return it. Raises PasskeyRefused."""
    _, challenge = work.lockbox.passkeys.answered(response)
    digest = hashlib.sha256(challenge).hexdigest()
    try:
        owner = work.uow.passkeys.take_challenge(digest, purpose=purpose, at=work.now)
    except NotFound:
        raise PasskeyRefused from None
    if owner != work.principal.id:
        raise PasskeyRefused
    return challenge


@query("passkey.read", scope="profile.read")
def mine(work: Work) -> tuple[Passkey, ...]:
    """Return one's own passkeys, oldest first."""
    return tuple(work.uow.passkeys.of_principal(work.principal.id))


@query("passkey.read", scope="profile.read")
def my_automation_keys(work: Work) -> tuple[AutomationKey, ...]:
    """Return the keys of one's automations, oldest first."""
    return tuple(work.uow.passkeys.automation_keys(work.principal.id))


@command("passkey.add", scope="profile.write")
def begin_enrolment(work: Work) -> str:
    """Return what the browser is to ask an authenticator for, as JSON.

    Raises:
        StepUpRequired: the second factor is too old.
        InvalidInput: there are too many.
    """
    check_stepped_up(work)
    held = work.uow.passkeys.of_principal(work.principal.id)
    if len(held) >= MOST_PASSKEYS:
        raise InvalidInput(field="passkey", problem="you have as many as there can be")
    options, challenge = work.lockbox.passkeys.registration_options(work.principal, held)
    work.uow.passkeys.add_challenge(new_challenge(work.principal.id, challenge, "enrolment", now=work.now), at=work.now)
    return options


@command("passkey.add", scope="profile.write")
def finish_enrolment(work: Work, *, name: str, response: str) -> Passkey:
    """Take the key that the authenticator made, and tell its owner by mail.

    Raises:
        StepUpRequired, InvalidInput: see `begin_enrolment`; no name.
        PasskeyRefused: the answer does not hold.
        AlreadyExists: somebody has, or had, this very passkey.
    """
    check_stepped_up(work)
    challenge = _take_challenge(work, response, "enrolment")
    made = work.lockbox.passkeys.verify_registration(response, challenge)
    passkey = Passkey(
        credential_id=made.credential_id,
        principal_id=work.principal.id,
        key_id=made.key_id,
        public_key_spki=made.public_key_spki,
        cose=made.cose,
        name=clean("name", name, at_most=NAME_LENGTH),
        transports=made.transports,
        sign_count=made.sign_count,
        created_at=work.now,
    )
    work.uow.passkeys.add(passkey)
    work.record("passkey.added", subject=_subject(made.key_id), personal={"name": passkey.name})
    _tell(work, "passkey_added", made.key_id, passkey.name)
    return passkey


@command("passkey.rename", scope="profile.write")
def rename(work: Work, *, key_id: str, name: str) -> None:
    """Call one's passkey something else.

    Raises:
        NotFound: not the caller's, or removed.
        InvalidInput: no name.
    """
    held = _own(work, key_id)
    renamed = replace(held, name=clean("name", name, at_most=NAME_LENGTH))
    work.uow.passkeys.save(renamed)
    work.record("passkey.renamed", subject=_subject(held.key_id), personal={"name": renamed.name})


@command("passkey.remove", scope="profile.write")
def remove(work: Work, *, key_id: str) -> None:
    """Take one's passkey off the account for good, and tell its owner by mail. A roster that lists it stays as it is.

    Raises:
        StepUpRequired: the second factor is too old.
        NotFound: not the caller's, or removed.
    """
    check_stepped_up(work)
    held = _own(work, key_id)
    work.uow.passkeys.save(replace(held, removed_at=work.now))
    work.record("passkey.removed", subject=_subject(held.key_id), personal={"name": held.name})
    _tell(work, "passkey_removed", held.key_id, held.name)


@command("step_up", scope="profile.write")
def begin_step_up(work: Work) -> str:
    """Return what the browser is to ask an authenticator for, as JSON.

    Raises:
        NotFound: the caller has no passkey.
    """
    held = work.uow.passkeys.of_principal(work.principal.id)
    if not held:
        raise NotFound
    options, challenge = work.lockbox.passkeys.authentication_options(held)
    work.uow.passkeys.add_challenge(new_challenge(work.principal.id, challenge, "step_up", now=work.now), at=work.now)
    return options


@command("step_up", scope="profile.write")
def finish_step_up(work: Work, *, secret: str, response: str) -> None:
    """Renew the second factor of this sign-in with a passkey. `secret` is the cookie's.

    Raises:
        PasskeyRefused: see `used_passkey`; a challenge that was used, ended, or given for something else.
        NotFound: the sign-in ended meanwhile.
    """
    _take_challenge(work, response, "step_up")
    used = used_passkey(work.lockbox, work.uow, work.principal.id, response, now=work.now)
    work.uow.identity.step_up(secret_digest(secret), at=work.now)
    work.record("sign_in.stepped_up", detail={"method": "passkey", "key_id": used.key_id})


@command("step_up", scope="profile.write")
def step_up_by_code(work: Work, *, secret: str, code: str, source: str) -> None:
    """Renew the second factor of this sign-in with a TOTP code; attempts count like those to sign in.

    Raises:
        CodeRefused: it is wrong or was used.
        Throttled: too many attempts.
        NotFound: the sign-in ended meanwhile.
    """
    presented = Presented(mail=work.principal.mail, password="", code=code, source=source)
    work.lockbox.sign_in.check_throttle(work.uow, presented, now=work.now)
    try:
        work.lockbox.sign_in.use_code(work.uow, work.principal, code, now=work.now)
    except CodeRefused:
        work.uow.commit()  # the attempt counts although it failed
        raise
    work.lockbox.sign_in.forget_attempts(work.uow, presented)
    work.uow.identity.step_up(secret_digest(secret), at=work.now)
    work.record("sign_in.stepped_up", detail={"method": "totp"})


def signing_key_statement(principal_id: str, public_key: str) -> str:
    """Return the text that an automation key signs to show that whoever adds it holds it, and for this person."""
    document: Mapping[str, object] = {
        "type": SIGNING_KEY_TYPE,
        "format": 1,
        "principal_id": principal_id,
        "public_key": public_key,
    }
    return canonical_bytes(document).decode()


@command("signing_key.add", scope=KEYS_SCOPE)
def add_automation_key(work: Work, *, name: str, public_key: str, proof: str) -> AutomationKey:
    """Add an Ed25519 key that an automation signs with. It counts for nothing before a roster lists it.

    Raises:
        InvalidInput: no such key, no name, a proof of possession that does not hold, or too many keys.
        StepUpRequired: in the portal, without a fresh second factor.
        AlreadyExists: somebody has, or had, this key.
    """
    if work.caller.via == "portal":
        check_stepped_up(work)
    try:
        key_id, raw = key_id_of(parse_public_key(public_key)), parse_b64url(public_key)
    except EnvelopeRefused:
        raise InvalidInput(field="public_key", problem="it is no Ed25519 key") from None
    try:
        verify_text(proof, signing_key_statement(work.principal.id, public_key), raw)
    except SignatureRefused:
        raise InvalidInput(field="proof", problem="the key did not sign this") from None
    if len(work.uow.passkeys.automation_keys(work.principal.id)) >= MOST_AUTOMATION_KEYS:
        raise InvalidInput(field="public_key", problem="you have as many as there can be")
    key = AutomationKey(
        key_id=key_id,
        principal_id=work.principal.id,
        public_key=public_key,
        name=clean("name", name, at_most=NAME_LENGTH),
        created_at=work.now,
    )
    work.uow.passkeys.add_automation_key(key)
    work.record("signing_key.added", subject=_subject(key_id), personal={"name": key.name})
    _tell(work, "passkey_added", key_id, key.name)
    return key


@command("signing_key.remove", scope=KEYS_SCOPE)
def remove_automation_key(work: Work, *, key_id: str) -> None:
    """Take an automation key off the account for good. A roster that lists it stays as it is.

    Raises:
        NotFound: not the caller's, or removed.
        StepUpRequired: in the portal, without a fresh second factor.
    """
    if work.caller.via == "portal":
        check_stepped_up(work)
    named = {k.key_id: k.name for k in work.uow.passkeys.automation_keys(work.principal.id)}
    work.uow.passkeys.remove_automation_key(key_id, work.principal.id, at=work.now)
    work.record("signing_key.removed", subject=_subject(key_id), personal={"name": named[key_id]})
    _tell(work, "passkey_removed", key_id, named[key_id])


def _own(work: Work, key_id: str) -> Passkey:
    listed = next((p for p in work.uow.passkeys.of_principal(work.principal.id) if p.key_id == key_id), None)
    held = None if listed is None else work.uow.passkeys.find(listed.credential_id, lock=True)
    if held is None or held.removed_at is not None:  # removed while the lock was waited for
        raise NotFound
    return held


def _subject(key_id: str) -> str:
    return f"key:{key_id}"


def _tell(work: Work, template: str, key_id: str, name: str) -> None:
    person: Principal = work.principal
    work.uow.outbox.add(
        OutboxRow(
            key=f"{template}-{person.id}-{key_id}-{work.now.timestamp():.0f}",
            tenant_id=person.tenant_id,
            recipient=person.id,
            template=template,
            values={
                "link": f"{work.lockbox.rules.base_url}/profile#passkeys",
                "key_name": name,
                "at": work.now.isoformat(),
            },
            due_at=work.now,
        )
    )
