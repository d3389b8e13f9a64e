"""Where the provider's private keys and secrets live. Nothing here says what a key signs."""
