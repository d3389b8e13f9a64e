"""Local sign-in: what counts as proof, what counts once, and what nobody learns."""

# Japanese text has full-width characters; pytest passes fixtures by name.
# ruff: noqa: RUF001, PLR0917

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from argon2 import PasswordHasher

from openlockbox.adapters.identity import local
from openlockbox.adapters.identity.local import LocalSignIn, hash_secret, new_secret
from openlockbox.domain.errors import CodeRefused, InvalidInput, SignInFailed, Throttled
from openlockbox.domain.ids import PersonId, PrincipalId, TenantId
from openlockbox.domain.principal import Principal, PrincipalState
from openlockbox.services.ports import LocalCredential, Presented

NOW = datetime(2026, 11, 23, 9, 12, 10, tzinfo=UTC)
KEY = bytes(range(32))
PASSWORD = "correct horse battery"
NADIA = Principal(
    id=PrincipalId("nadia"),
    person_id=PersonId("nadia"),
    tenant_id=TenantId("ambertide"),
    name="Nadia",
    mail="nadia@ambertide.example",
)


@dataclass
class Identity:
    """What local sign-in uses of the identity store."""

    credentials: dict[str, LocalCredential] = field(default_factory=dict)
    attempts: dict[str, list[datetime]] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    on_lock: Callable[[], None] = lambda: None

    def find_credential(self, principal_id: PrincipalId, *, lock: bool = False) -> LocalCredential | None:
        if lock:
            self.on_lock()
        return self.credentials.get(principal_id)

    def save_credential(self, credential: LocalCredential) -> None:
        self.credentials[credential.principal_id] = credential

    def remove_sign_ins_of(self, principal_id: PrincipalId) -> None:
        self.ended.append(principal_id)

    def count_attempt(self, key: str, *, at: datetime, window: timedelta) -> int:
        kept = [then for then in self.attempts.get(key, []) if then > at - window]
        self.attempts[key] = [*kept, at]
        return len(self.attempts[key])

    def forget_attempts(self, key: str) -> None:
        self.attempts.pop(key, None)


@dataclass
class Principals:
    by_mail: dict[str, Principal] = field(default_factory=dict)

    def find_by_mail(self, mail: str) -> Principal | None:
        return self.by_mail.get(mail.lower())

    def get(self, principal_id: PrincipalId) -> Principal:
        return next(p for p in self.by_mail.values() if p.id == principal_id)


@dataclass
class Passkeys:
    ended: list[str] = field(default_factory=list)

    def remove_challenges_of(self, principal_id: PrincipalId) -> None:
        self.ended.append(principal_id)


@dataclass
class Unit:
    identity: Any = field(default_factory=Identity)
    principals: Any = field(default_factory=lambda: Principals({NADIA.mail: NADIA}))
    passkeys: Any = field(default_factory=Passkeys)


class CountingHasher(PasswordHasher):
    """Does the real work, quickly, and counts it."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=64, parallelism=1)
        self.verified = 0

    def verify(self, *args: Any, **kwargs: Any) -> Any:
        self.verified += 1
        return super().verify(*args, **kwargs)


@pytest.fixture
def hasher() -> CountingHasher:
    return CountingHasher()


@pytest.fixture
def method(hasher: CountingHasher) -> LocalSignIn:
    return LocalSignIn(KEY, hasher=hasher)


@pytest.fixture
def uow() -> Any:
    return Unit()


@pytest.fixture
def totp(method: LocalSignIn, uow: Any) -> pyotp.TOTP:
    uri = method.enrol(uow, NADIA, password=PASSWORD)
    return pyotp.TOTP(parse_qs(urlsplit(uri).query)["secret"][0])


def sign_in(method: LocalSignIn, uow: Any, presented: Presented, *, now: datetime) -> Principal:
    return method.examine(uow, presented, now=now)(uow)


def presented(code: str, *, mail: str = NADIA.mail, password: str = PASSWORD, source: str = "192.0.2.7") -> Presented:
    return Presented(mail=mail, password=password, code=code, source=source)


def test_password_and_code_sign_in(method, uow, totp) -> None:
    assert sign_in(method, uow, presented(totp.at(NOW)), now=NOW) == NADIA


def test_the_name_is_compared_without_case_and_a_code_may_have_a_gap(method, uow, totp) -> None:
    code = totp.at(NOW)
    found = sign_in(method, uow, presented(f"{code[:3]} {code[3:]}", mail=" Nadia@Ambertide.example "), now=NOW)
    assert found == NADIA


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_a_clock_may_differ_by_one_step(method, uow, totp, steps: int) -> None:
    assert sign_in(method, uow, presented(totp.at(NOW + timedelta(seconds=30 * steps))), now=NOW) == NADIA


@pytest.mark.parametrize("steps", [-2, 2])
def test_a_clock_may_not_differ_by_more(method, uow, totp, steps: int) -> None:
    with pytest.raises(SignInFailed):
        sign_in(method, uow, presented(totp.at(NOW + timedelta(seconds=30 * steps))), now=NOW)


def test_a_code_counts_once(method, uow, totp) -> None:
    code = totp.at(NOW)
    sign_in(method, uow, presented(code), now=NOW)
    with pytest.raises(SignInFailed):
        sign_in(method, uow, presented(code), now=NOW + timedelta(seconds=1))


def test_an_older_code_than_the_last_used_is_refused(method, uow, totp) -> None:
    sign_in(method, uow, presented(totp.at(NOW + timedelta(seconds=30))), now=NOW)
    with pytest.raises(SignInFailed):
        sign_in(method, uow, presented(totp.at(NOW)), now=NOW)
    later = NOW + timedelta(seconds=60)
    assert sign_in(method, uow, presented(totp.at(later)), now=later) == NADIA


def test_of_two_at_once_with_one_code_the_second_is_refused(method, uow, totp) -> None:
    step = int(NOW.timestamp()) // 30

    def somebody_else_was_faster() -> None:
        uow.identity.save_credential(replace(uow.identity.credentials["nadia"], totp_last_step=step))

    uow.identity.on_lock = somebody_else_was_faster
    with pytest.raises(SignInFailed):
        sign_in(method, uow, presented(totp.at(NOW)), now=NOW)


def test_a_password_changed_in_between_is_noticed(method, uow, totp) -> None:
    uow.identity.on_lock = lambda: method.enrol(uow, NADIA, password="another long password")
    with pytest.raises(SignInFailed):
        sign_in(method, uow, presented(totp.at(NOW)), now=NOW)


@pytest.mark.parametrize(
    "wrong",
    [
        {"password": "wrong horse battery"},
        {"password": ""},
        {"password": PASSWORD + " "},
        {"password": "x" * 100_000},
        {"password": "\ud800"},
        {"mail": "\ud800"},
        {"mail": "nobody@ambertide.example"},
        {"mail": ""},
        {"mail": "x" * 100_000},
    ],
)
def test_a_wrong_name_or_password_is_refused(method, uow, totp, wrong: dict[str, str]) -> None:
    with pytest.raises(SignInFailed):
        sign_in(method, uow, presented(totp.at(NOW), **wrong), now=NOW)


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "\x00", "\ud800", "9" * 100_000])
def test_what_is_no_code_is_refused(method, uow, totp, code: str) -> None:
    with pytest.raises(SignInFailed):
        sign_in(method, uow, presented(code), now=NOW)


def test_a_wrong_code_is_refused(method, uow, totp) -> None:
    right = {totp.at(NOW + timedelta(seconds=30 * n)) for n in (-1, 0, 1)}
    wrong = next(code for code in ("000000", "000001", "000002", "000003") if code not in right)
    with pytest.raises(SignInFailed):
        sign_in(method, uow, presented(wrong), now=NOW)


def test_a_right_code_with_something_behind_it_is_refused(method, uow, totp) -> None:
    with pytest.raises(SignInFailed):
        sign_in(method, uow, presented(totp.at(NOW) + "0"), now=NOW)


def test_a_code_typed_in_full_width_digits_counts(method, uow, totp) -> None:
    wide = totp.at(NOW).translate({ord("0") + n: ord("０") + n for n in range(10)})
    assert sign_in(method, uow, presented(wide), now=NOW) == NADIA


def test_a_disabled_principal_fails_like_a_wrong_password(method, uow, totp) -> None:
    uow.principals.by_mail[NADIA.mail] = replace(NADIA, state=PrincipalState.DISABLED)
    with pytest.raises(SignInFailed):
        sign_in(method, uow, presented(totp.at(NOW)), now=NOW)


def test_a_principal_without_credentials_is_refused(method, uow) -> None:
    with pytest.raises(SignInFailed):
        sign_in(method, uow, presented("000000"), now=NOW)


def test_nobodys_empty_account_cannot_be_signed_in_to(method, uow) -> None:
    uow.principals.by_mail[""] = replace(NADIA, mail="")
    with pytest.raises(SignInFailed):
        sign_in(method, uow, presented("000000", mail=""), now=NOW)


@pytest.mark.parametrize(
    "case", ["known", "wrong password", "wrong code", "unknown name", "no credentials", "disabled", "unreadable secret"]
)
def test_every_attempt_costs_the_same_work(method, uow, totp, hasher, case: str, monkeypatch) -> None:
    work: Counter[str] = Counter()

    class CountingTotp(pyotp.TOTP):
        def generate_otp(self, *args: Any, **kwargs: Any) -> str:
            work["codes"] += 1
            return super().generate_otp(*args, **kwargs)

    code, changes = totp.at(NOW), {}
    match case:
        case "wrong password":
            changes = {"password": "wrong horse battery"}
        case "wrong code":
            code = "x"
        case "unknown name":
            changes = {"mail": "nobody@ambertide.example"}
        case "no credentials":
            uow.identity.credentials.clear()
        case "disabled":
            uow.principals.by_mail[NADIA.mail] = replace(NADIA, state=PrincipalState.DISABLED)
        case "unreadable secret":
            uow.identity.credentials["nadia"] = replace(uow.identity.credentials["nadia"], totp_secret="AAAA")
    monkeypatch.setattr(local.pyotp, "TOTP", CountingTotp)
    hasher.verified = 0
    try:
        sign_in(method, uow, presented(code, **changes), now=NOW)
    except SignInFailed:
        assert case != "known"
    else:
        assert case == "known"
    assert hasher.verified == 1
    assert work["codes"] == 3


def test_enrolling_ends_all_sign_ins_and_replaces_both_parts(method, uow, totp) -> None:
    uow.identity.ended.clear()
    method.enrol(uow, NADIA, password="another long password")
    assert uow.identity.ended == ["nadia"]
    with pytest.raises(SignInFailed):
        sign_in(method, uow, presented(totp.at(NOW)), now=NOW)
    with pytest.raises(SignInFailed):
        sign_in(method, uow, presented(totp.at(NOW), password="another long password"), now=NOW)


@pytest.mark.parametrize("password", ["", "short", "x" * 11, "が" * 11, "か\u3099" * 11, "x" * 1025, "\ud800" * 12])
def test_a_password_too_short_or_too_long_is_refused(method, uow, password: str) -> None:
    with pytest.raises(InvalidInput):
        method.enrol(uow, NADIA, password=password)
    assert not uow.identity.credentials


def test_the_same_letters_typed_on_another_keyboard_fit(method, uow) -> None:
    uri = method.enrol(uow, NADIA, password="が" * 12)
    code = pyotp.TOTP(parse_qs(urlsplit(uri).query)["secret"][0]).at(NOW)
    assert sign_in(method, uow, presented(code, password="か\u3099" * 12), now=NOW) == NADIA


def test_what_is_stored_shows_neither_password_nor_secret(method, uow, totp) -> None:
    stored = uow.identity.credentials["nadia"]
    assert stored.password_hash.startswith("$argon2id$")
    assert totp.secret not in stored.totp_secret
    assert PASSWORD not in repr(stored)


def test_another_key_cannot_read_the_stored_secret(uow, totp, hasher) -> None:
    with pytest.raises(SignInFailed):
        sign_in(LocalSignIn(bytes(32), hasher=hasher), uow, presented(totp.at(NOW)), now=NOW)


def test_a_secret_copied_to_another_account_does_not_work_there(method, uow, totp) -> None:
    mallory = replace(NADIA, id=PrincipalId("mallory"), mail="mallory@ambertide.example")
    uow.principals.by_mail[mallory.mail] = mallory
    method.enrol(uow, mallory, password=PASSWORD)
    own, copied = uow.identity.credentials["mallory"], uow.identity.credentials["nadia"].totp_secret
    uow.identity.save_credential(replace(own, totp_secret=copied))
    with pytest.raises(SignInFailed):
        sign_in(method, uow, presented(totp.at(NOW), mail=mallory.mail), now=NOW)


def test_the_address_for_the_authenticator_names_product_and_account(method, uow) -> None:
    uri = method.enrol(uow, NADIA, password=PASSWORD)
    assert uri.startswith("otpauth://totp/OpenLockbox:nadia%40ambertide.example?secret=")


def test_the_eleventh_attempt_for_a_name_from_one_place_is_throttled(method, uow) -> None:
    for _ in range(10):
        method.check_throttle(uow, presented("0"), now=NOW)
    with pytest.raises(Throttled):
        method.check_throttle(uow, presented("0", mail=NADIA.mail.upper()), now=NOW)
    method.check_throttle(uow, presented("0"), now=NOW + timedelta(minutes=15))


def test_a_stranger_elsewhere_does_not_lock_anybody_out(method, uow) -> None:
    for _ in range(11):
        with suppress(Throttled):
            method.check_throttle(uow, presented("0", source="198.51.100.1"), now=NOW)
    method.check_throttle(uow, presented("0"), now=NOW)


def test_a_hundred_attempts_for_a_name_are_the_most_from_wherever(method, uow) -> None:
    for n in range(100):
        method.check_throttle(uow, presented("0", source=f"192.0.2.{n}"), now=NOW)
    with pytest.raises(Throttled):
        method.check_throttle(uow, presented("0", source="198.51.100.1"), now=NOW)


def test_a_hundred_attempts_from_a_source_are_the_most_for_any_name(method, uow) -> None:
    for n in range(100):
        method.check_throttle(uow, presented("0", mail=f"p{n}@x.example"), now=NOW)
    with pytest.raises(Throttled):
        method.check_throttle(uow, presented("0", mail="q@x.example"), now=NOW)
    method.check_throttle(uow, presented("0", mail="q@x.example", source="192.0.2.8"), now=NOW)


def test_one_ipv6_network_is_one_source(method, uow) -> None:
    for n in range(100):
        method.check_throttle(uow, presented("0", mail=f"p{n}@x.example", source=f"2001:db8::{n:x}"), now=NOW)
    with pytest.raises(Throttled):
        method.check_throttle(uow, presented("0", mail="q@x.example", source="2001:db8:0:0:ffff::1"), now=NOW)
    method.check_throttle(uow, presented("0", mail="q@x.example", source="2001:db8:0:1::1"), now=NOW)


def test_an_ipv4_address_written_as_ipv6_is_the_same_source(method, uow) -> None:
    method.check_throttle(uow, presented("0", source="192.0.2.7"), now=NOW)
    method.check_throttle(uow, presented("0", source="::ffff:192.0.2.7"), now=NOW)
    assert len(uow.identity.attempts) == 3


def test_success_forgets_the_attempts_for_the_name_from_there_only(method, uow, totp) -> None:
    method.check_throttle(uow, presented("0"), now=NOW)
    assert len(uow.identity.attempts) == 3
    sign_in(method, uow, presented(totp.at(NOW)), now=NOW)
    assert len(uow.identity.attempts) == 2  # or an account of one's own would clear the way for guesses at others


def test_no_name_or_address_is_stored_with_the_attempts(method, uow) -> None:
    method.check_throttle(uow, presented("0"), now=NOW)
    for key in uow.identity.attempts:
        assert len(bytes.fromhex(key)) == 32
    assert hash_secret(f"name:{NADIA.mail}") not in uow.identity.attempts


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="TOTP key"):
        LocalSignIn(b"short")


def test_secrets_are_long_different_and_stored_as_digests() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(len(secret) == 43 for secret in made)
    assert hash_secret("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_shipped_hash_is_argon2id_of_rfc_9106_strength(uow) -> None:
    method = LocalSignIn(KEY)
    method.enrol(uow, NADIA, password=PASSWORD)
    assert uow.identity.credentials["nadia"].password_hash.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


# ---- a password alone, before a passkey; a code alone, to step up ----


def test_a_password_alone_is_examined_as_hard_for_unknown_names_and_takes_no_code(method, uow, totp, hasher) -> None:
    for mail, password in (("nobody@ambertide.example", PASSWORD), (NADIA.mail, "wrong"), (NADIA.mail, "")):
        before = hasher.verified
        with pytest.raises(SignInFailed):
            method.examine_password(uow, replace(presented("", mail=mail), password=password), now=NOW)
        assert hasher.verified == before + 1
    assert method.examine_password(uow, presented(""), now=NOW)(uow) == NADIA
    assert sign_in(method, uow, presented(totp.at(NOW)), now=NOW) == NADIA  # the code is still unused


def test_a_password_changed_meanwhile_is_refused(method, uow, totp) -> None:
    accept = method.examine_password(uow, presented(""), now=NOW)
    method.enrol(uow, NADIA, password=PASSWORD)
    with pytest.raises(SignInFailed):
        accept(uow)


def test_a_disabled_person_goes_no_further_than_the_password(method, uow, totp) -> None:
    accept = method.examine_password(uow, presented(""), now=NOW)
    uow.principals.by_mail[NADIA.mail] = replace(NADIA, state=PrincipalState.DISABLED)
    with pytest.raises(SignInFailed):
        accept(uow)


def test_a_code_alone_counts_once(method, uow, totp) -> None:
    code = totp.at(NOW)
    method.use_code(uow, NADIA, code, now=NOW)
    for again in (code, "", "000000", totp.at(NOW + timedelta(minutes=5))):
        with pytest.raises(CodeRefused):
            method.use_code(uow, NADIA, again, now=NOW)
    with pytest.raises(SignInFailed):  # nor does it sign in
        sign_in(method, uow, presented(code), now=NOW)


def test_new_credentials_end_what_was_begun_with_a_passkey(method, uow, totp) -> None:
    assert uow.passkeys.ended == [NADIA.id]
