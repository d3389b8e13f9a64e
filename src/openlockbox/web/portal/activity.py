"""The activity log: filtered pages, one entry, and a download; a customer's own, or the provider's (specification A1)."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Final
from urllib.parse import urlencode

from litestar import Response, get
from litestar.params import FromPath
from litestar.response import Stream

from openlockbox.activitylog.entry import Entry
from openlockbox.domain.errors import NotFound
from openlockbox.domain.ids import (
    CLOCK,
    OPERATOR_COMMAND,
    ActorId,
    CorrelationId,
    ResourceId,
    TenantId,
    principal_actor,
)
from openlockbox.domain.principal import Principal
from openlockbox.services import log, views
from openlockbox.services.log import LogState
from openlockbox.services.ports import EntryFilter
from openlockbox.services.views import ActivityPage
from openlockbox.web.portal import activity_words, security
from openlockbox.web.portal.forms import Form, parse_id, query_form
from openlockbox.web.portal.page import Signed, Visitor

PAGE: Final = 50
DOWNLOAD_PAGE: Final = 500
LONGEST_TEXT: Final = 100
LONGEST_INDEX: Final = 15  # digits
FIELDS: Final = ("action", "actor", "resource", "from", "to", "q", "correlation")


def read_filter(form: Form, visitor: Visitor) -> EntryFilter:
    """Read the filter of the page's address. Dates are days in the reader's zone, both included."""
    action, actor, resource, before = (form.typed(name) for name in ("action", "actor", "resource", "before"))
    correlation = form.typed("correlation")[:LONGEST_TEXT]
    codes = activity_words.refusals() if action == "refused" else frozenset({action} if action else ())
    return EntryFilter(
        codes=codes,
        since=form.day("from", visitor.speech.zone),
        until=form.day("to", visitor.speech.zone, days_later=1),
        actor=ActorId(_printable(actor)) if actor else None,
        resource_id=ResourceId(_printable(resource).lower()) if resource else None,
        correlation_id=CorrelationId(_printable(correlation)) if correlation else None,
        text=_printable(form.typed("q").strip()[:LONGEST_TEXT]),
        before_index=int(before) if before.isascii() and before.isdigit() and len(before) <= LONGEST_INDEX else None,
        limit=PAGE,
    )


def _printable(text: str) -> str:
    return "".join(c for c in text if c.isprintable())  # a database may refuse a NUL


def _page(visitor: Visitor, tenant_id: TenantId, base: str) -> Response[str]:
    form = query_form(visitor.request)
    view = views.activity(visitor.lockbox, visitor.caller, tenant_id=tenant_id, filter_by=read_filter(form, visitor))
    query = urlencode([(name, form.typed(name)) for name in FIELDS if form.typed(name)])
    actors = [(principal_actor(p.id), p.name) for p in sorted(_actors(view), key=lambda p: p.name)]
    actors += [(a, activity_words.actor(a, {}, visitor.speech)) for a in (CLOCK, OPERATOR_COMMAND)]
    state = log.log_state(visitor.lockbox, visitor.caller, tenant_id=tenant_id)
    return visitor.page(
        "activity.html",
        tenant=tenant_id,
        view=view,
        form=form,
        base=base,
        query=query,
        actors=actors,
        state=state,
        commands=_commands(visitor, tenant_id, state),
    )


def _commands(visitor: Visitor, tenant_id: TenantId, state: LogState) -> dict[str, object]:
    """Return what to type for a mirror and its verification; words of the program, in no language."""
    pin, mirror, tenant = f"{tenant_id}.pin", f"{tenant_id}-log", f"--tenant {tenant_id}"
    return {
        "pin": [f'lockbox log pin {tenant} --log-key "{key}" {pin}' for key in state.keys],
        "mirror": f"lockbox log mirror --server {visitor.web.base_url} {tenant} {mirror}",
        "verify": f"lockbox log verify --pin {pin} {mirror}",
    }


def _actors(view: ActivityPage) -> list[Principal]:
    return list({p.id: p for p in (*view.members, *view.people.values())}.values())


def _provider(visitor: Visitor) -> TenantId:
    return visitor.me.provider.id


@get("/t/{tenant:str}/activity", sync_to_thread=True)
def activity_page(visitor: Signed, tenant: FromPath[str]) -> Response[str]:
    """Show entries, newest first; the address is the filter."""
    return _page(visitor, TenantId(parse_id(tenant)), f"/t/{tenant}/activity")


@get("/provider/activity", sync_to_thread=True)
def provider_page(visitor: Signed) -> Response[str]:
    """Show the provider's own log."""
    return _page(visitor, _provider(visitor), "/provider/activity")


def _entry(visitor: Visitor, tenant_id: TenantId, index: int, base: str) -> Response[str]:
    if not 0 <= index < 10**LONGEST_INDEX:
        raise NotFound
    entry = views.activity_entry(visitor.lockbox, visitor.caller, tenant_id=tenant_id, index=index)
    return visitor.page("entry.html", tenant=tenant_id, entry=entry, base=base)


@get("/t/{tenant:str}/activity/{index:int}", sync_to_thread=True)
def entry_page(visitor: Signed, tenant: FromPath[str], index: FromPath[int]) -> Response[str]:
    """Show one entry with its leaf as it stands in the log."""
    return _entry(visitor, TenantId(parse_id(tenant)), index, f"/t/{tenant}/activity")


@get("/provider/activity/{index:int}", sync_to_thread=True)
def provider_entry(visitor: Signed, index: FromPath[int]) -> Response[str]:
    """Show one entry of the provider's own log."""
    return _entry(visitor, _provider(visitor), index, "/provider/activity")


def _download(visitor: Visitor, tenant_id: TenantId) -> Stream:
    wanted = replace(read_filter(query_form(visitor.request), visitor), limit=DOWNLOAD_PAGE)
    first = views.activity(visitor.lockbox, visitor.caller, tenant_id=tenant_id, filter_by=wanted)
    disposition = {"Content-Disposition": f'attachment; filename="activity-{tenant_id}.jsonl"'}
    return Stream(
        _lines(visitor, tenant_id, wanted, first),
        media_type="application/x-ndjson",
        headers=security.headers() | disposition,
    )


def _lines(visitor: Visitor, tenant_id: TenantId, wanted: EntryFilter, page: ActivityPage) -> Iterator[bytes]:
    while True:
        yield b"".join(write_line(entry) for entry in page.entries)
        if page.next_before is None:
            return
        wanted = replace(wanted, before_index=page.next_before)
        page = views.activity(visitor.lockbox, visitor.caller, tenant_id=tenant_id, filter_by=wanted)


def write_line(entry: Entry) -> bytes:
    """Write an entry as one line of JSON. `leaf` is the canonical text itself, so that its hash can be made again."""
    line = {
        "index": entry.index,
        "leaf": entry.leaf.decode(),
        "leaf_hash": entry.leaf_hash.hex(),
        "operation_name": entry.operation_name,
        "opened": {name: {"salt": f.salt, "value": f.value} for name, f in entry.opened.items()},
    }
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


@get("/t/{tenant:str}/activity.jsonl", sync_to_thread=True)
def download(visitor: Signed, tenant: FromPath[str]) -> Stream:
    """Download the filtered entries as JSON Lines."""
    return _download(visitor, TenantId(parse_id(tenant)))


@get("/provider/activity.jsonl", sync_to_thread=True)
def provider_download(visitor: Signed) -> Stream:
    """Download the filtered entries of the provider's own log."""
    return _download(visitor, _provider(visitor))
