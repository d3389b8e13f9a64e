"""OpenLockbox, a self-hosted Customer Lockbox. Holds nothing itself; importing it must never do I/O."""
