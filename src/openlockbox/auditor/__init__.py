"""What a customer or an auditor runs on their own machine: a mirror of the log, its verification, a witness. Needs no settings."""
