"""The gateway process: verifies grants by itself, injects credentials, records, and cuts. Never reads the control plane's database."""
