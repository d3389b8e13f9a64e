"""Sign in with a password and a passkey in place of the TOTP code. The password comes first; both count the same attempts.

The challenge carries the first step to the second: only whoever gave the right password is handed one, it cannot be guessed,
and it counts once, for five minutes.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from openlockbox.domain.errors import NotFound, PasskeyRefused, SignInFailed, Throttled
from openlockbox.domain.ids import PrincipalId
from openlockbox.domain.principal import Principal, PrincipalState
from openlockbox.services.accounts import NewSignIn, begin_sign_in, record_failure
from openlockbox.services.passkey_ports import Passkey
from openlockbox.services.passkeys import new_challenge, used_passkey
from openlockbox.services.ports import Presented, UnitOfWork
from openlockbox.services.work import Lockbox

PURPOSE: Final = "sign_in"


def begin(lockbox: Lockbox, presented: Presented) -> str:
    """Check the password and return what the browser is to ask an authenticator for, as JSON. `presented.code` is not read.

    Raises:
        SignInFailed: never says which part was wrong; somebody without a passkey too.
        Throttled: too many attempts.
    """
    now = lockbox.clock()
    try:
        with lockbox.database.unit_of_work() as uow:
            lockbox.sign_in.check_throttle(uow, presented, now=now)
            uow.commit()  # counted, whatever happens next
        with lockbox.database.unit_of_work(read_only=True) as uow:
            accept = lockbox.sign_in.examine_password(uow, presented, now=now)
        with lockbox.database.unit_of_work() as uow:
            principal = accept(uow)
            options, challenge = lockbox.passkeys.authentication_options(_passkeys_of(uow, principal.id))
            uow.passkeys.add_challenge(new_challenge(principal.id, challenge, PURPOSE, now=now), at=now)
            uow.commit()
    except (SignInFailed, Throttled) as refusal:
        record_failure(lockbox, presented, refusal)
        raise
    return options


def finish(lockbox: Lockbox, *, response: str, source: str) -> NewSignIn:
    """Sign the person in whose challenge the passkey answered. Success and failure are both recorded; a challenge counts once.

    Raises:
        PasskeyRefused: another's, a removed or unknown key, a challenge that was used, ended, or given for something else.
    """
    now = lockbox.clock()
    principal: Principal | None = None
    try:
        _, challenge = lockbox.passkeys.answered(response)
        with lockbox.database.unit_of_work() as uow:
            digest = hashlib.sha256(challenge).hexdigest()
            principal = uow.principals.get(uow.passkeys.take_challenge(digest, purpose=PURPOSE, at=now))
            uow.commit()  # used up, whatever happens next
        with lockbox.database.unit_of_work() as uow:
            principal = _active(uow, principal.id)
            used_passkey(lockbox, uow, principal.id, response, now=now)
            lockbox.sign_in.forget_attempts(uow, _presented(principal, source))
            made = begin_sign_in(lockbox, uow, principal, now=now, method="passkey")
            uow.commit()
    except (PasskeyRefused, NotFound) as refusal:
        refused = PasskeyRefused()
        record_failure(lockbox, _presented(principal, source), refused)
        raise refused from refusal
    return made


def _passkeys_of(uow: UnitOfWork, principal_id: PrincipalId) -> Sequence[Passkey]:
    held = uow.passkeys.of_principal(principal_id)
    if not held:
        raise SignInFailed
    return held


def _active(uow: UnitOfWork, principal_id: PrincipalId) -> Principal:
    principal = uow.principals.get(principal_id)
    if principal.state is not PrincipalState.ACTIVE:
        raise PasskeyRefused
    return principal


def _presented(principal: Principal | None, source: str) -> Presented:
    return Presented(mail="" if principal is None else principal.mail, password="", code="", source=source)
