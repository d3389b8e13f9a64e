"""The web process: one ASGI app of REST API and portal. Calls services; holds no rule of its own."""
