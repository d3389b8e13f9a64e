"""The RDP data plane: two independent legs, client to gateway and gateway to target, and the pump between them.

Nothing that a client sends before the desktop starts is passed on. The gateway answers the client's connection sequence
itself, then runs one of its own with the target, and copies only the desktop size, keyboard and the channels of the grant.
"""
