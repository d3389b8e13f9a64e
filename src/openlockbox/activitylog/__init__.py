"""The activity log's entries, canonical leaves and offline checks. Pure plus hashing; no I/O, no clock."""
