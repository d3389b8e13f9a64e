"""The use cases, one verb a function, and the ports they need. No SQL, no HTTP, no clock of their own."""
