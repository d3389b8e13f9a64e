"""The triggers of version 0001 on SQLite. Frozen: never edit after a release. The messages are names, see `errors.py`."""

from typing import Final

MACHINES: Final = {
    "jit_request": "jit_request",
    "lockbox_request": "lockbox_request",
    "access_grant": "grant",
    "session": "session",
    "access_lock": "lock",
}


def _refuse(name: str, when: str, condition: str, reason: str) -> str:
    return f"CREATE TRIGGER {name} {when} WHEN {condition} BEGIN SELECT RAISE(ABORT, 'lockbox: {reason}'); END"


def _no_step(machine: str, prior: str) -> str:
    return (
        "NOT EXISTS (SELECT 1 FROM lifecycle_transition"  # noqa: S608  names from the table above
        f" WHERE machine = '{machine}' AND prior_state = {prior} AND state = NEW.state)"
    )


def _machine(table: str, machine: str) -> tuple[str, ...]:
    return (
        # INSERT OR REPLACE would take a row back to its first state.
        _refuse(
            f"{table}_is_new",
            f"BEFORE INSERT ON {table}",
            f"EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id)",  # noqa: S608  as above
            "already_exists",
        ),
        _refuse(
            f"{table}_first_state",
            f"BEFORE INSERT ON {table}",
            f"NEW.prior_state IS NOT 'new' OR {_no_step(machine, 'NEW.prior_state')}",
            "illegal_transition",
        ),
        _refuse(
            f"{table}_next_state",
            f"BEFORE UPDATE ON {table}",
            "NEW.id IS NOT OLD.id OR NEW.tenant_id IS NOT OLD.tenant_id"
            " OR (NEW.state IS OLD.state AND NEW.prior_state IS NOT OLD.prior_state)"
            " OR (NEW.state IS NOT OLD.state"
            f" AND (NEW.prior_state IS NOT OLD.state OR {_no_step(machine, 'OLD.state')}))",
            "illegal_transition",
        ),
        _refuse(f"{table}_stays", f"BEFORE DELETE ON {table}", "1", "illegal_transition"),
    )


STATEMENTS: Final = (
    *(statement for table, machine in MACHINES.items() for statement in _machine(table, machine)),
    _refuse(
        "lockbox_request_as_asked",
        "BEFORE UPDATE ON lockbox_request",
        "NEW.displayed IS NOT OLD.displayed OR NEW.digest IS NOT OLD.digest OR NEW.approvers IS NOT OLD.approvers"
        " OR NEW.jit_request_id IS NOT OLD.jit_request_id OR NEW.created_at IS NOT OLD.created_at",
        "illegal_transition",
    ),
    _refuse(
        "access_grant_rests_on_approval",
        "BEFORE INSERT ON access_grant",
        "NOT EXISTS (SELECT 1 FROM lockbox_request"
        " WHERE id = NEW.request_id AND tenant_id = NEW.tenant_id AND state = 'approved')",
        "grant_without_approval",
    ),
    _refuse(
        "activity_entry_no_gap",
        "BEFORE INSERT ON activity_entry",
        "NEW.entry_index < 0 OR EXISTS (SELECT 1 FROM activity_entry"
        " WHERE tenant_id = NEW.tenant_id AND entry_index = NEW.entry_index)"
        " OR (NEW.entry_index > 0 AND NOT EXISTS (SELECT 1 FROM activity_entry"
        " WHERE tenant_id = NEW.tenant_id AND entry_index = NEW.entry_index - 1))",
        "log_without_gaps",
    ),
    _refuse(
        "activity_entry_erase_only",
        "BEFORE UPDATE ON activity_entry",
        "NEW.tenant_id IS NOT OLD.tenant_id OR NEW.entry_index IS NOT OLD.entry_index"
        " OR NEW.recorded_at IS NOT OLD.recorded_at OR NEW.code IS NOT OLD.code OR NEW.actor IS NOT OLD.actor"
        " OR NEW.subject IS NOT OLD.subject OR NEW.resource_id IS NOT OLD.resource_id"
        " OR NEW.correlation_id IS NOT OLD.correlation_id OR NEW.detail IS NOT OLD.detail"
        " OR NEW.search IS NOT OLD.search OR NEW.leaf IS NOT OLD.leaf OR NEW.leaf_hash IS NOT OLD.leaf_hash"
        " OR (NEW.opened IS OLD.opened AND NEW.search_opened IS NOT OLD.search_opened)"
        " OR EXISTS (SELECT 1 FROM json_each(NEW.opened) n WHERE NOT EXISTS"
        " (SELECT 1 FROM json_each(OLD.opened) o WHERE o.key = n.key AND o.value = n.value))",
        "log_is_append_only",
    ),
    _refuse("activity_entry_stays", "BEFORE DELETE ON activity_entry", "1", "log_is_append_only"),
    _refuse(
        "log_head_grows",
        "BEFORE UPDATE ON log_head",
        "NEW.size < OLD.size OR NEW.tenant_id IS NOT OLD.tenant_id",
        "log_is_append_only",
    ),
    _refuse("log_head_stays", "BEFORE DELETE ON log_head", "1", "log_is_append_only"),
    _refuse(
        "log_node_is_new",
        "BEFORE INSERT ON log_node",
        "EXISTS (SELECT 1 FROM log_node"
        " WHERE tenant_id = NEW.tenant_id AND level = NEW.level AND node_index = NEW.node_index)",
        "log_is_append_only",
    ),
    _refuse("log_node_as_written", "BEFORE UPDATE ON log_node", "1", "log_is_append_only"),
    _refuse("log_node_stays", "BEFORE DELETE ON log_node", "1", "log_is_append_only"),
    _refuse("log_document_as_written", "BEFORE UPDATE ON log_document", "1", "log_is_append_only"),
    _refuse(
        "roster_is_new",
        "BEFORE INSERT ON roster",
        "EXISTS (SELECT 1 FROM roster WHERE tenant_id = NEW.tenant_id AND version = NEW.version)",
        "already_exists",
    ),
    _refuse("roster_as_signed", "BEFORE UPDATE ON roster", "1", "log_is_append_only"),
    _refuse("roster_stays", "BEFORE DELETE ON roster", "1", "log_is_append_only"),
    _refuse("revocation_as_listed", "BEFORE UPDATE ON revocation", "1", "log_is_append_only"),
    _refuse(
        "revocation_head_grows", "BEFORE UPDATE ON revocation_head", "NEW.version < OLD.version", "log_is_append_only"
    ),
    _refuse("revocation_head_stays", "BEFORE DELETE ON revocation_head", "1", "log_is_append_only"),
)
