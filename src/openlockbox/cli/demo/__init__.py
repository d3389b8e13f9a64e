"""`lockbox demo`: invented organizations on this machine, real processes, a real desktop. Nothing of it is for production."""
