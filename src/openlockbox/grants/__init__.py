"""Signed wire forms: grants, connection tokens, revocation lists, trust. Pure plus cryptography; no I/O, no clock."""
