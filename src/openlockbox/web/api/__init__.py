"""The REST API under /api/v1: the portal's commands for programs. Parses, calls a service, renders; decides nothing."""
