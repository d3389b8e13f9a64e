"""Every route as everybody: each of the eight roles, members without one, the disabled, strangers, and another organization.

The table below is the expectation, written down by hand: whoever is not named for a route is refused there, and the refusal
stands in a log wherever somebody is known to have tried. A route that is not in the table fails the last test.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from openlockbox.activitylog.entry import document_sha256
from openlockbox.domain.elevation import Permission
from openlockbox.domain.ids import PrincipalId, TenantId
from openlockbox.domain.lockdown import LockKind
from openlockbox.grants.assertion import sign_text
from openlockbox.grants.keys import Ed25519Signer, encode_public_key
from openlockbox.services import access, lockdown, passkeys
from openlockbox.services.accounts import secret_digest
from openlockbox.services.log import sign_head
from openlockbox.services.ports import EntryFilter
from openlockbox.testing import database_samples
from tests.integration.web.conftest import ACTORS
from tests.world import AMBERTIDE, MACHINE, PELIMOOR, PROVIDER, SUBSCRIPTION

EVERYBODY = frozenset(ACTORS)
PEOPLE = EVERYBODY - {"anonymous", "disabled"}
CUSTOMER = frozenset({"owner", "approver", "administrator", "reader"})
MEMBERS = CUSTOMER | {"member"}
DECIDERS = frozenset({"owner", "approver"})
ADMINISTRATOR = frozenset({"administrator"})
KEEPERS = DECIDERS | ADMINISTRATOR
CONFLICT = frozenset({409})
ENGINEER = frozenset({"engineer"})
ENGINEERS = ENGINEER | {"other_engineer"}
REVIEWERS = frozenset({"lead", "devops"})
SUPPORT = ENGINEERS | REVIEWERS
OPERATOR = frozenset({"operator"})
LEAD_AND_OPERATOR = OPERATOR | {"lead"}
SEE_CASE = MEMBERS | SUPPORT  # the member has opened it
CLOSE_CASE = DECIDERS | ADMINISTRATOR | ENGINEER | {"member"}
SEE_REQUEST = CUSTOMER | ENGINEER
SEE_GRANT = CUSTOMER | ENGINEER | OPERATOR | {"lead"}
END_GRANT = DECIDERS | ADMINISTRATOR | ENGINEER | OPERATOR | {"lead"}
NOBODY: frozenset[str] = frozenset()

Values = Mapping[str, str]
Arrange = Callable[..., Values]


# ---- what a route is tried on: fresh for everybody who may change it ------------------------------------------------


def nothing(world) -> Values:
    return {}


def pending(world) -> Values:
    request = world.pending()
    return {"request_id": request.id, "digest": request.digest, "case": request.service_request_id}


def case(world) -> Values:
    return {"case": world.case().id}


def review(world) -> Values:
    return {"asked": world.ask(permission=Permission.ADMINISTRATOR).id}


def asked(world) -> Values:
    return {"asked": world.ask().id}


def granted(world) -> Values:
    grant = world.granted()
    offered = access.connect(world.lockbox, world.caller("idris"), grant_id=grant.id, front="browser")
    return {"grant_id": grant.id, "session_id": offered.session.id}


def owners_token(world) -> Values:
    digest = secret_digest(world.token("senna"))
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        found = uow.identity.tokens(PrincipalId("senna"))
    return {"token_id": next(t.id for t in found if t.token_sha256 == digest)}


def owners_passkey(world) -> Values:
    made = world.passkey("senna")
    held = passkeys.mine(world.lockbox, world.caller("senna"))
    key_id = next(p.key_id for p in held if p.credential_id == made.credential_id)
    for other in held:
        if other.key_id != key_id:
            passkeys.remove(world.lockbox, world.caller("senna"), key_id=other.key_id)
    return {"key_id": key_id}


def owners_key(world) -> Values:
    signer = Ed25519Signer(Ed25519PrivateKey.generate())
    public_key = encode_public_key(signer.public_key)
    proof = sign_text(passkeys.signing_key_statement("senna", public_key), signer)
    passkeys.add_automation_key(world.lockbox, world.caller("senna"), name="ci", public_key=public_key, proof=proof)
    return {"key_id": signer.key_id}


def tile(world) -> Values:
    return {"level": "0", "place": "000.p/1"}


def documented(world) -> Values:
    with world.lockbox.database.unit_of_work() as uow:
        uow.activity.append(database_samples.event(TenantId(AMBERTIDE), document="shown"), at=world.clock.now)
        uow.commit()
    return {"sha256": document_sha256("shown")}


def cosigned(world) -> Values:
    with world.lockbox.database.unit_of_work() as uow:
        uow.activity.add_cosignature(AMBERTIDE, 1, "w", sign_head(world.lockbox, uow, AMBERTIDE))
        uow.commit()
    return {}


def locked(world) -> Values:
    lift_all(world)
    lock = lockdown.lock_tenant(world.lockbox, world.caller("senna"), tenant_id=AMBERTIDE, reason="")
    return {"lock_id": lock.id}


def lift_all(world) -> Values:
    """Leave nothing locked behind whoever came before."""
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        standing = [*uow.locks.standing(AMBERTIDE), *uow.locks.standing(PROVIDER)]
    for lock in standing:
        by = "oper" if lock.kind is LockKind.ENGINEER else "tessa"
        lockdown.lift(world.lockbox, world.caller(by), lock_id=lock.id)
    return {}


def an_engineer(world) -> Values:
    return lift_all(world) or {"principal_id": "wrenna"}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Who may, on what, with which body or form. `{name}` in a value is filled from what was arranged."""

    allowed: frozenset[str]
    on: Arrange = nothing
    send: Mapping[str, str] | None = None
    query: str = ""
    also_refused: frozenset[int] = frozenset()  # a form that does not offer what was sent refuses it as a wrong value
    is_recorded: bool = True  # False: nobody is known who could have tried


def may(allowed: frozenset[str], on: Arrange = nothing, **more) -> Rule:
    return Rule(allowed=allowed, on=on, **more)


FOREIGN_KEY = {
    "name": "ci",
    "public_key": encode_public_key(Ed25519PrivateKey.generate().public_key()),
    "proof": "A" * 86,
}
DIGEST, REASON = {"digest": "{digest}"}, {"reason": "because"}
QUESTION = {"resource_id": MACHINE, "scenario": "remote_desktop", "permission": "operate", "justification": "Logs."}
FORM_QUESTION = {
    "way": f"{MACHINE}|remote_desktop",
    "permission": "operate",
    "duration": "PT1H",
    "justification": "Logs.",
}
CASE = {"subscription_id": SUBSCRIPTION, "title": "Kiln", "description": "Hot.", "severity": "b"}
READER_ROLE = {"principal_id": "bram", "role": "reader"}
DECISION = {"decision": "deny", "duration": "PT1H", **DIGEST}
API, TENANT, CASES = "/api/v1", "/api/v1/tenants/{tenant}", "/api/v1/tenants/{tenant}/service-requests/{case}"
LOG = "/log/{tenant}"
T, ENGINEERS_CASE = "/t/{tenant}", "/engineer/service-requests/{case}"

TABLE: Mapping[str, Rule] = {
    # ---- REST API
    f"GET {API}/me": may(PEOPLE),
    f"GET {API}/tokens": may(PEOPLE),
    f"POST {API}/tokens/{{token_id}}/revoke": may(frozenset({"owner"}), owners_token),
    f"GET {API}/signing-keys": may(PEOPLE),
    f"POST {API}/signing-keys": may(NOBODY, send=FOREIGN_KEY, also_refused=frozenset({422})),  # the proof is not theirs
    f"POST {API}/signing-keys/{{key_id}}/remove": may(frozenset({"owner"}), owners_key),
    f"GET {TENANT}/requests": may(CUSTOMER),
    f"GET {TENANT}/requests/{{request_id}}": may(SEE_REQUEST, pending),
    f"POST {TENANT}/requests/{{request_id}}/approve": may(DECIDERS, pending, send=DIGEST),
    f"POST {TENANT}/requests/{{request_id}}/deny": may(DECIDERS, pending, send=DIGEST),
    f"POST {TENANT}/requests/{{request_id}}/statement": may(DECIDERS, pending, send={"answer": "deny", **DIGEST}),
    f"POST {TENANT}/requests/{{request_id}}/decision": may(  # what is sent is no statement
        NOBODY, pending, send={"statement": "x", "signature": "x"}, also_refused=frozenset({422})
    ),
    f"GET {TENANT}/roster": may(KEEPERS),
    f"POST {TENANT}/roster/proposal": may(NOBODY, send={}, also_refused=CONFLICT),  # a roster without keys is none
    f"POST {TENANT}/roster": may(NOBODY, send={"signed": "x"}, also_refused=CONFLICT),
    f"POST {TENANT}/requests/{{request_id}}/evidence": may(CUSTOMER, pending),
    f"GET {TENANT}/service-requests": may(MEMBERS),
    f"POST {TENANT}/service-requests": may(MEMBERS, send=CASE),
    f"GET {TENANT}/resources": may(MEMBERS),
    f"GET {CASES}": may(SEE_CASE, case),
    f"POST {CASES}/reply": may(SEE_CASE, case, send={"body": "Hello"}),
    f"POST {CASES}/take": may(ENGINEERS, case),
    f"POST {CASES}/escalate": may(ENGINEER | {"lead"}, case, send={"to": "wrenna"}),
    f"POST {CASES}/close": may(CLOSE_CASE, case),
    f"POST {CASES}/elevations": may(ENGINEER, case, send=QUESTION),
    f"POST {CASES}/elevations/preview": may(ENGINEER, case, send=QUESTION),
    f"GET {API}/queue": may(SUPPORT),
    f"GET {API}/elevations": may(ENGINEERS),
    f"POST {API}/elevations/{{asked}}/withdraw": may(ENGINEER, asked),
    f"GET {API}/reviews": may(REVIEWERS),
    f"GET {API}/reviews/{{asked}}": may(REVIEWERS, review),
    f"POST {API}/reviews/{{asked}}/approve": may(REVIEWERS, review, send=REASON),
    f"POST {API}/reviews/{{asked}}/deny": may(REVIEWERS, review, send=REASON),
    f"GET {API}/grants/{{grant_id}}": may(SEE_GRANT, granted),
    f"POST {API}/grants/{{grant_id}}/connect": may(ENGINEER, granted, send={"front": "browser"}),
    f"POST {API}/grants/{{grant_id}}/end": may(END_GRANT, granted, send=REASON),
    f"POST {API}/sessions/{{session_id}}/abandon": may(ENGINEER, granted),
    f"GET {TENANT}/activity": may(CUSTOMER),
    f"GET {TENANT}/activity/{{index}}": may(CUSTOMER),
    f"GET {TENANT}/locks": may(CUSTOMER),
    f"POST {TENANT}/lock": may(DECIDERS | ADMINISTRATOR, lift_all, send=REASON),
    f"POST {TENANT}/lock-resource": may(DECIDERS | ADMINISTRATOR, lift_all, send=REASON | {"resource_id": MACHINE}),
    f"GET {API}/engineers/locks": may(LEAD_AND_OPERATOR),
    f"POST {API}/engineers/{{principal_id}}/lock": may(LEAD_AND_OPERATOR, an_engineer, send=REASON),
    f"POST {API}/locks/{{lock_id}}/lift": may(frozenset({"owner"}) | ADMINISTRATOR, locked),
    f"GET {TENANT}/roles": may(CUSTOMER),
    f"POST {TENANT}/roles/assign": may(ADMINISTRATOR, send=READER_ROLE),
    f"POST {TENANT}/roles/remove": may(ADMINISTRATOR, send=READER_ROLE),
    # ---- the log as its verifiers read it
    f"GET {LOG}/checkpoint": may(CUSTOMER),
    f"GET {LOG}/tile/{{level}}/{{place}}": may(CUSTOMER, tile),
    f"GET {LOG}/opened/{{index}}": may(CUSTOMER),
    f"GET {LOG}/documents/{{sha256}}": may(CUSTOMER, documented),
    f"GET {LOG}/witnessed": may(CUSTOMER, cosigned),
    f"POST {LOG}/cosignatures": may(NOBODY, send={}, also_refused=frozenset({422})),  # a signature is what opens it
    f"GET {API}/openapi.json": may(EVERYBODY),
    "GET /healthz": may(EVERYBODY),
    "GET /readyz": may(EVERYBODY),
    # ---- the gateways' protocol: no person gets in, whatever they carry
    "POST /gateway/v1/enrol": may(
        NOBODY,
        send={
            "code": "guess",
            "public_key": encode_public_key(Ed25519PrivateKey.generate().public_key()),
            "browser_url": "",
            "native_address": "",
            "native_certificate_sha256": "",
        },
        is_recorded=False,
    ),
    "POST /gateway/v1/lease": may(NOBODY, is_recorded=False),
    "GET /gateway/v1/grants/{grant_id}": may(NOBODY, granted, is_recorded=False),
    "POST /gateway/v1/grants/{grant_id}/evidence": may(NOBODY, granted, is_recorded=False),
    "POST /gateway/v1/sessions/{session_id}/start": may(NOBODY, granted, is_recorded=False),
    "POST /gateway/v1/sessions/{session_id}/refused": may(NOBODY, granted, is_recorded=False),
    "POST /gateway/v1/sessions/{session_id}/end": may(NOBODY, granted, is_recorded=False),
    # ---- portal: everybody's
    "GET /": may(PEOPLE),
    "GET /sign-in": may(EVERYBODY),
    "POST /sign-in": may(
        NOBODY, send={"mail": "senna@ambertide.example", "password": "x", "code": "0"}, is_recorded=False
    ),
    "POST /sign-in/passkey/begin": may(
        NOBODY, send={"mail": "senna@ambertide.example", "password": "x"}, is_recorded=False
    ),
    "POST /sign-in/passkey": may(NOBODY, send={"response": "{{}}"}, is_recorded=False, also_refused=frozenset({422})),
    "POST /sign-out": may(PEOPLE),
    "GET /step-up": may(PEOPLE),
    "POST /step-up": may(NOBODY, send={"code": "000000"}),
    "POST /step-up/begin": may(frozenset({"owner"}), owners_passkey),
    "POST /step-up/passkey": may(NOBODY, send={"response": "{{}}"}, also_refused=frozenset({422})),
    "POST /profile/passkeys/begin": may(PEOPLE),
    "POST /profile/passkeys": may(NOBODY, send={"key_name": "x", "response": "{{}}"}, also_refused=frozenset({422})),
    "POST /profile/passkeys/{key_id}/rename": may(frozenset({"owner"}), owners_passkey, send={"key_name": "x"}),
    "POST /profile/passkeys/{key_id}/remove": may(frozenset({"owner"}), owners_passkey),
    "POST /profile/signing-keys/{key_id}/remove": may(frozenset({"owner"}), owners_key),
    "GET /profile": may(PEOPLE),
    "POST /profile": may(PEOPLE, send={"language": "", "time_zone": "UTC"}),
    "POST /profile/tokens": may(PEOPLE, send={"name": "mine", "scopes": "profile.read"}),
    "POST /profile/tokens/{token_id}/revoke": may(frozenset({"owner"}), owners_token),
    "GET /static/{digest}/{file_path}": may(EVERYBODY),
    "HEAD /static/{digest}/{file_path}": may(EVERYBODY),
    # ---- portal: the customer's
    f"GET {T}": may(CUSTOMER),
    f"GET {T}/requests": may(CUSTOMER),
    f"GET {T}/requests/{{request_id}}": may(SEE_REQUEST, pending),
    f"POST {T}/requests/{{request_id}}/decide": may(SEE_REQUEST, pending, send=DECISION),  # decides nothing
    f"GET {T}/requests/{{request_id}}/confirm": may(SEE_REQUEST, pending),
    f"POST {T}/requests/{{request_id}}/confirm": may(DECIDERS, pending, send=DECISION),
    f"POST {T}/requests/{{request_id}}/evidence": may(CUSTOMER, pending),
    f"GET {T}/roster": may(KEEPERS),
    f"POST {T}/roster/change": may(NOBODY, also_refused=CONFLICT),  # as in the API
    f"POST {T}/roster/review": may(NOBODY, send={"brought": "x"}, also_refused=CONFLICT),
    f"POST {T}/roster": may(NOBODY, send={"statement": "x"}, also_refused=CONFLICT),
    f"POST {T}/roster/download": may(NOBODY, send={"brought": "x"}, also_refused=CONFLICT),
    "POST /grants/{grant_id}/end": may(END_GRANT, granted, send=REASON),
    f"GET {T}/service-requests": may(MEMBERS),
    f"GET {T}/service-requests/new": may(MEMBERS),
    f"POST {T}/service-requests/new": may(MEMBERS, send={**CASE, "scope": f"{SUBSCRIPTION}|"}),
    f"GET {T}/service-requests/{{case}}": may(SEE_CASE, case),
    f"POST {T}/service-requests/{{case}}/reply": may(SEE_CASE, case, send={"message": "Hello"}),
    f"POST {T}/service-requests/{{case}}/close": may(CLOSE_CASE, case),
    f"GET {T}/activity": may(CUSTOMER),
    f"GET {T}/activity/{{index}}": may(CUSTOMER),
    f"GET {T}/activity.jsonl": may(CUSTOMER),
    f"GET {T}/settings": may(CUSTOMER),
    f"POST {T}/settings/roles": may(ADMINISTRATOR, send={"person": "bram", "role": "reader|"}),
    f"POST {T}/settings/roles/remove": may(ADMINISTRATOR, send={"person": "bram", "role": "reader|"}),
    # ---- portal: the provider's
    "GET /provider/access": may(LEAD_AND_OPERATOR),
    f"GET {T}/lock": may(CUSTOMER),
    f"POST {T}/lock": may(DECIDERS | ADMINISTRATOR, lift_all, send=REASON),
    f"POST {T}/lock/resource": may(DECIDERS | ADMINISTRATOR, lift_all, send=REASON | {"resource": MACHINE}),
    "POST /provider/locks": may(LEAD_AND_OPERATOR, lift_all, send=REASON | {"engineer": "wrenna"}),
    "POST /locks/{lock_id}/lift": may(frozenset({"owner"}) | ADMINISTRATOR, locked),
    "GET /provider/activity": may(OPERATOR),
    "GET /provider/activity/{index}": may(OPERATOR),
    "GET /provider/activity.jsonl": may(OPERATOR),
    "GET /engineer": may(SUPPORT),
    f"GET {ENGINEERS_CASE}": may(SEE_CASE, case),
    f"POST {ENGINEERS_CASE}/reply": may(SEE_CASE, case, send={"message": "Hello"}),
    f"POST {ENGINEERS_CASE}/take": may(ENGINEERS, case),
    f"POST {ENGINEERS_CASE}/escalate": may(ENGINEER | {"lead"}, case, send={"to": "wrenna"}),
    f"POST {ENGINEERS_CASE}/close": may(CLOSE_CASE, case),
    f"POST {ENGINEERS_CASE}/elevation": may(ENGINEER, case, send=FORM_QUESTION, also_refused=frozenset({422})),
    "GET /engineer/elevations": may(ENGINEERS),
    "POST /engineer/elevations/{asked}/withdraw": may(ENGINEER, asked),
    "GET /engineer/grants/{grant_id}": may(SEE_GRANT, granted),
    "GET /engineer/grants/{grant_id}/session": may(EVERYBODY, granted),  # leads to the page above, whatever the id
    "POST /engineer/grants/{grant_id}/session": may(ENGINEER, granted),
    "POST /engineer/grants/{grant_id}/native": may(ENGINEER, granted),
    "POST /engineer/rdp-file": may(NOBODY, is_recorded=False),  # hands out only what this sign-in's own page carried
    "GET /engineer/grants/{grant_id}/left": may(SEE_GRANT, granted),
    "GET /engineer/sessions/{session_id}/ended": may(SEE_GRANT, granted, query="?grant={grant_id}"),
    "GET /review": may(REVIEWERS),
    "GET /review/{asked}": may(REVIEWERS, review),
    "POST /review/{asked}": may(REVIEWERS, review, send={"decision": "deny", **REASON}),
}
# A role cannot be given twice, nor taken where it is not held; and nobody may keep one after the test.
GIVES = {"POST /api/v1/tenants/{tenant}/roles/assign", "POST /t/{tenant}/settings/roles"}
TAKES = {"POST /api/v1/tenants/{tenant}/roles/remove", "POST /t/{tenant}/settings/roles/remove"}
UNCOVERED: frozenset[str] = frozenset()  # may only shrink


def routes_of(app) -> dict[str, str]:
    """Return every route that the application has, as the table writes it, with its path as the application writes it."""
    found = {}
    for route in app.routes:
        path = re.sub(r":(str|int|path)}", "}", route.path.replace("tenant_id", "tenant"))
        path = path.replace("service_request_id", "case").replace("jit_request_id", "asked")
        path = re.sub(r"^/static/[0-9a-f]{12}", "/static/{digest}", path)
        for method in route.methods - {"OPTIONS"}:
            found[f"{method} {path}"] = route.path
    return found


def sizes(world) -> dict[str, int]:
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        return {tenant: uow.activity.size(tenant) for tenant in (AMBERTIDE, PELIMOOR, PROVIDER)}


def new_codes(world, before) -> list[str]:
    """Return what was recorded since."""
    codes = []
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        for tenant, size in before.items():
            new = uow.activity.size(tenant) - size
            codes += [e.event.code for e in uow.activity.entries(tenant, EntryFilter(limit=new))] if new else []
    return codes


def attempt(world, route: str, actor: str, rule: Rule, values: Values):
    """Try a route as somebody, as their program or their browser would."""
    method, path = route.split(" ", 1)
    filled = (path + rule.query).format_map(values)
    sent = {name: value.format_map(values) for name, value in (rule.send or {}).items()}
    if path.startswith(("/api", "/log", "/gateway", "/healthz", "/readyz")):
        secret = world.token(ACTORS[actor]) if ACTORS[actor] else ""
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        return world.call(method, filled, headers=headers, **({"json": sent} if rule.send is not None else {}))
    return world.portal(ACTORS[actor], method, filled, sent)


def is_allowed(response) -> bool:
    """Tell whether the act was done or the page shown; being led to the sign-in page is neither."""
    if response.status_code == 303:
        return not response.headers["location"].startswith("/sign-in?") and response.headers["location"] != "/sign-in"
    return response.status_code in {200, 201, 202, 204}


@pytest.fixture
def _a_member_with_or_without_a_role(request, world):
    route = request.node.callspec.params["route"]
    if route in TAKES:
        assert world.api("tessa", "POST", "/tenants/ambertide/roles/assign", READER_ROLE).status_code == 201
    yield
    lift_all(world)
    if route in GIVES:
        assert world.api("tessa", "POST", "/tenants/ambertide/roles/remove", READER_ROLE).status_code == 204


@pytest.mark.usefixtures("_a_member_with_or_without_a_role")
@pytest.mark.parametrize("route", sorted(TABLE))
def test_a_route_is_open_to_those_named_and_to_nobody_else(world, route):
    rule = TABLE[route]
    static = next(path for path in routes_of(world.app).values() if path.startswith("/static/")).split("/")[2]
    fixed = {"tenant": AMBERTIDE, "index": "0", "digest": static, "file_path": "lockbox.css"}
    wrong = []
    shared = fixed | rule.on(world)  # the refused change nothing, so they may all try the same
    for actor in sorted(EVERYBODY - rule.allowed) + sorted(rule.allowed):
        values = fixed | rule.on(world) if actor in rule.allowed and route.startswith("POST") else shared
        before = sizes(world)
        response = attempt(world, route, actor, rule, values)
        if route == "POST /sign-out":
            allowed = response.status_code == 303 and "signed_out" in response.headers.get("set-cookie", "")
        else:
            allowed = is_allowed(response)
        if allowed != (actor in rule.allowed):
            wrong.append(f"{actor}: {response.status_code} {response.text[:300]}")
        elif not allowed:
            wrong += _refused_properly(
                world, actor, rule, response, before, is_portal=not route.split()[1].startswith(("/api", "/log"))
            )
    assert not wrong


def _refused_properly(world, actor, rule, response, before, *, is_portal):
    status = response.status_code
    if status in rule.also_refused:
        return []
    if status not in {303, 401, 403, 404, 429}:
        return [f"{actor}: refused with {status}"]
    nobody_known = actor == "anonymous" or (actor == "disabled" and is_portal)
    if rule.is_recorded and not nobody_known and not any(c.endswith(".refused") for c in new_codes(world, before)):
        return [f"{actor}: refused and not recorded"]
    return []


@pytest.mark.parametrize("route", sorted(r for r in TABLE if re.search(r"/(tenants|t|log)/{tenant}", r)))
def test_an_address_with_another_organizations_name_leads_nowhere(world, route):
    """Nobody of Ambertide reaches anything under Pelimoor's name, with or without a thing of their own in the address."""
    rule = TABLE[route]
    values = {"tenant": PELIMOOR, "index": "0"} | rule.on(world)
    for actor in sorted(MEMBERS | ENGINEER):
        before = sizes(world)
        response = attempt(world, route, actor, rule, values)
        assert response.status_code in {403, 404, *rule.also_refused}, (
            actor,
            response.status_code,
            response.text[:300],
        )
        assert not [c for c in new_codes(world, before) if not c.endswith(".refused")], actor


def test_every_route_is_in_the_table(world):
    assert set(routes_of(world.app)) - set(TABLE) == UNCOVERED


def test_the_table_names_no_route_that_is_gone(world):
    assert set(TABLE) <= set(routes_of(world.app))
