"""Attack 1, forged approval by writing a field (AWS TEAM CVE-2025-1969): state, approvers and end times follow from commands only."""

import dataclasses

import msgspec
import pytest

from openlockbox.domain.grant import Grant
from openlockbox.domain.jit_request import JitRequest
from openlockbox.domain.lockbox_request import Decision, LockboxRequest
from openlockbox.domain.session import Session
from openlockbox.web.api import bodies
from openlockbox.web.gateway_api import routes as gateway_routes

BODIES = [
    kind
    for module in (bodies, gateway_routes)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, bodies.Body) and kind is not bodies.Body
]
# What a record has and a command may name: the request's digest, the length and reason of a decision, what a gateway reports.
NAMED_BY_COMMANDS = {
    "reason", "digest", "resource_id", "subscription_id", "scenario", "permission", "channels", "duration",
    "justification", "grant_id", "front", "client_address", "at",
}  # fmt: skip
SIGNED = {"statement", "signature", "key_id"}  # what was signed outside says by whom, and is checked
RECORD_FIELDS = (
    {
        field.name
        for kind in (LockboxRequest, Decision, JitRequest, Grant, Session)
        for field in dataclasses.fields(kind)
    }
    - NAMED_BY_COMMANDS
    - SIGNED
)


def test_no_route_patches_or_replaces_a_record(world):
    methods = {method for route in world.app.routes for method in route.methods}
    assert methods <= {"GET", "HEAD", "OPTIONS", "POST"}


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__)
def test_no_body_has_a_field_that_only_commands_may_change(body):
    assert not RECORD_FIELDS & {field.encode_name for field in msgspec.structs.fields(body)}


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__)
def test_every_body_refuses_unknown_fields(body):
    assert body.__struct_config__.forbid_unknown_fields


@pytest.mark.parametrize("field", sorted(RECORD_FIELDS | SIGNED))
def test_a_decision_with_a_field_of_the_record_is_refused_and_changes_nothing(world, field):
    request = world.pending()
    body = {"digest": request.digest, field: "approved"}
    response = world.api("senna", "POST", f"/tenants/ambertide/requests/{request.id}/approve", body)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_input")
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        assert uow.lockbox_requests.get(request.id) == request
