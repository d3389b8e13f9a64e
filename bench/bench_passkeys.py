"""Verifications a second of passkey signatures over statements, with the verifier that gateways use, on one core and no network."""

import argparse
import statistics
import time
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.machine import describe
from openlockbox.adapters.identity.passkeys import WebauthnPasskeys
from openlockbox.domain.ids import PersonId, PrincipalId, TenantId
from openlockbox.domain.principal import Principal
from openlockbox.grants.assertion import verify_assertion
from openlockbox.testing.authenticator import SoftAuthenticator

STATEMENT = '{"channels":[],"digest":"' + "ab" * 32 + '","type":"openlockbox.decision"}'
ORIGIN, SITE = "http://localhost", "localhost"
SOMEBODY = Principal(
    id=PrincipalId("senna"),
    person_id=PersonId("senna"),
    tenant_id=TenantId("ambertide"),
    name="Senna",
    mail="senna@ambertide.example",
)


def main() -> None:
    """Print the figures of both kinds of key."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only show that it works")
    seconds, rounds = (0.2, 2) if parser.parse_args().quick else (2.0, 5)
    print(describe())
    for name, authenticator in (
        ("ES256", SoftAuthenticator()),
        ("EdDSA", SoftAuthenticator(key=Ed25519PrivateKey.generate())),
    ):
        signature, spki = authenticator.sign_statement(STATEMENT), authenticator.spki

        def verify(signature: str = signature, spki: bytes = spki) -> None:
            verify_assertion(signature, statement=STATEMENT, public_key_spki=spki, rp_id=SITE, origins=[ORIGIN])

        def register(authenticator: SoftAuthenticator = authenticator) -> None:
            options, challenge = PASSKEYS.registration_options(SOMEBODY, [])
            PASSKEYS.verify_registration(authenticator.create(options), challenge)

        for what, act in (("statements verified", verify), ("passkeys registered, both sides", register)):
            figures = [_a_second(act, seconds) for _ in range(rounds)]
            low, high = min(figures), max(figures)
            print(f"{name}: {statistics.median(figures):,.0f} {what} a second ({low:,.0f}-{high:,.0f})")


PASSKEYS = WebauthnPasskeys(SITE, (ORIGIN,))


def _a_second(act: Callable[[], None], seconds: float) -> float:
    done, begun = 0, time.process_time()
    while (spent := time.process_time() - begun) < seconds:
        act()
        done += 1
    return done / spent


if __name__ == "__main__":
    main()
