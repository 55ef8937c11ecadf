"""The mail sink of scripts/smtp-sink."""
