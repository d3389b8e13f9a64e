"""What the first migration makes, one module a concept. Frozen: never edit after a release."""
