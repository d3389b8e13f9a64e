"""The triggers of version 0001 on PostgreSQL. Frozen: never edit after a release. They name constraints, see `errors.py`."""

from typing import Final

MACHINES: Final = ("jit_request", "lockbox_request", "access_grant", "session", "access_lock")


def _function(name: str, body: str) -> str:
    return f"CREATE FUNCTION lockbox_{name}() RETURNS trigger LANGUAGE plpgsql AS $lockbox$ BEGIN {body} END $lockbox$"


def _check(condition: str, reason: str) -> str:
    return (
        f"IF {condition} THEN RAISE EXCEPTION 'lockbox: {reason}'"
        f" USING ERRCODE = '23514', CONSTRAINT = '{reason}'; END IF; RETURN NEW;"
    )


def _never(reason: str) -> str:
    return f"RAISE EXCEPTION 'lockbox: {reason}' USING ERRCODE = '23514', CONSTRAINT = '{reason}';"


def _trigger(name: str, when: str, function: str) -> str:
    each = "STATEMENT" if "TRUNCATE" in when else "ROW"
    return f"CREATE TRIGGER {name} {when} FOR EACH {each} EXECUTE FUNCTION lockbox_{function}()"


def _no_step(prior: str) -> str:
    return (
        "NOT EXISTS (SELECT 1 FROM lifecycle_transition t"  # noqa: S608  a literal of this module
        f" WHERE t.machine = NEW.machine AND t.prior_state = {prior} AND t.state = NEW.state)"
    )


FUNCTIONS: Final = (
    _function(
        "first_state",
        _check(f"NEW.prior_state IS DISTINCT FROM 'new' OR {_no_step('NEW.prior_state')}", "illegal_transition"),
    ),
    _function(
        "next_state",
        _check(
            "NEW.id IS DISTINCT FROM OLD.id OR NEW.tenant_id IS DISTINCT FROM OLD.tenant_id"
            " OR (NEW.state IS NOT DISTINCT FROM OLD.state AND NEW.prior_state IS DISTINCT FROM OLD.prior_state)"
            " OR (NEW.state IS DISTINCT FROM OLD.state"
            f" AND (NEW.prior_state IS DISTINCT FROM OLD.state OR {_no_step('OLD.state')}))",
            "illegal_transition",
        ),
    ),
    _function("state_stays", _never("illegal_transition")),
    _function(
        "as_asked",
        _check(
            "(NEW.displayed, NEW.digest, NEW.approvers, NEW.jit_request_id, NEW.created_at) IS DISTINCT FROM"
            " (OLD.displayed, OLD.digest, OLD.approvers, OLD.jit_request_id, OLD.created_at)",
            "illegal_transition",
        ),
    ),
    _function(
        "rests_on_approval",
        _check(
            "NOT EXISTS (SELECT 1 FROM lockbox_request r"
            " WHERE r.id = NEW.request_id AND r.tenant_id = NEW.tenant_id AND r.state = 'approved')",
            "grant_without_approval",
        ),
    ),
    _function(
        "no_gap",
        _check(
            "NEW.entry_index < 0 OR (NEW.entry_index > 0 AND NOT EXISTS (SELECT 1 FROM activity_entry e"
            " WHERE e.tenant_id = NEW.tenant_id AND e.entry_index = NEW.entry_index - 1))",
            "log_without_gaps",
        ),
    ),
    _function(
        "erase_only",
        _check(
            "(NEW.tenant_id, NEW.entry_index, NEW.recorded_at, NEW.code, NEW.actor, NEW.subject, NEW.resource_id,"
            " NEW.correlation_id, NEW.detail, NEW.search, NEW.leaf, NEW.leaf_hash) IS DISTINCT FROM"
            " (OLD.tenant_id, OLD.entry_index, OLD.recorded_at, OLD.code, OLD.actor, OLD.subject, OLD.resource_id,"
            " OLD.correlation_id, OLD.detail, OLD.search, OLD.leaf, OLD.leaf_hash)"
            " OR (NEW.opened = OLD.opened AND NEW.search_opened IS DISTINCT FROM OLD.search_opened)"
            " OR EXISTS (SELECT 1 FROM jsonb_each(NEW.opened::jsonb) n"
            " WHERE OLD.opened::jsonb -> n.key IS DISTINCT FROM n.value)",
            "log_is_append_only",
        ),
    ),
    _function("log_stays", _never("log_is_append_only")),
    _function(
        "log_grows",
        _check("NEW.size < OLD.size OR NEW.tenant_id IS DISTINCT FROM OLD.tenant_id", "log_is_append_only"),
    ),
    _function("list_grows", _check("NEW.version < OLD.version", "log_is_append_only")),
)

STATEMENTS: Final = (
    *FUNCTIONS,
    *(_trigger(f"{table}_first_state", f"BEFORE INSERT ON {table}", "first_state") for table in MACHINES),
    *(_trigger(f"{table}_next_state", f"BEFORE UPDATE ON {table}", "next_state") for table in MACHINES),
    *(_trigger(f"{table}_stays", f"BEFORE DELETE ON {table}", "state_stays") for table in MACHINES),
    *(_trigger(f"{table}_not_emptied", f"BEFORE TRUNCATE ON {table}", "state_stays") for table in MACHINES),
    _trigger("lockbox_request_as_asked", "BEFORE UPDATE ON lockbox_request", "as_asked"),
    _trigger("access_grant_rests_on_approval", "BEFORE INSERT ON access_grant", "rests_on_approval"),
    _trigger("activity_entry_no_gap", "BEFORE INSERT ON activity_entry", "no_gap"),
    _trigger("activity_entry_erase_only", "BEFORE UPDATE ON activity_entry", "erase_only"),
    _trigger("activity_entry_stays", "BEFORE DELETE ON activity_entry", "log_stays"),
    _trigger("activity_entry_not_emptied", "BEFORE TRUNCATE ON activity_entry", "log_stays"),
    _trigger("log_head_grows", "BEFORE UPDATE ON log_head", "log_grows"),
    _trigger("log_head_stays", "BEFORE DELETE ON log_head", "log_stays"),
    _trigger("log_head_not_emptied", "BEFORE TRUNCATE ON log_head", "log_stays"),
    _trigger("log_node_stays", "BEFORE UPDATE OR DELETE ON log_node", "log_stays"),
    _trigger("log_node_not_emptied", "BEFORE TRUNCATE ON log_node", "log_stays"),
    _trigger("log_document_as_written", "BEFORE UPDATE ON log_document", "log_stays"),
    _trigger("roster_stays", "BEFORE UPDATE OR DELETE ON roster", "log_stays"),
    _trigger("roster_not_emptied", "BEFORE TRUNCATE ON roster", "log_stays"),
    _trigger("revocation_as_listed", "BEFORE UPDATE ON revocation", "log_stays"),
    _trigger("revocation_head_grows", "BEFORE UPDATE ON revocation_head", "list_grows"),
    _trigger("revocation_head_stays", "BEFORE DELETE ON revocation_head", "log_stays"),
    _trigger("revocation_head_not_emptied", "BEFORE TRUNCATE ON revocation_head", "log_stays"),
)
