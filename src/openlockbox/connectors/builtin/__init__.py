"""The connectors that ship with OpenLockbox, registered like any other."""
