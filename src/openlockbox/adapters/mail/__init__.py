"""Mail over SMTP: templates, rendering and sending. What is sent when is the outbox's business, not decided here."""
