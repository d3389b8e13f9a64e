"""What can be accessed and how: scenarios by resource type. The registry and the built-ins; no I/O."""
