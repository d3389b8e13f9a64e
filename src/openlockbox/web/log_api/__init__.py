"""A tenant's log over HTTP in C2SP tlog-tiles, with what lies beside it. docs/spec/activity-log.md is normative."""
