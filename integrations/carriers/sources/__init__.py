"""One file for each carrier, or go-between, that speaks in its own way."""
