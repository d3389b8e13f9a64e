"""Offline verification: what needs both the log and the signed forms. Pure plus hashing; no I/O, no clock."""
