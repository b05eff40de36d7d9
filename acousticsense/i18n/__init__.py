"""Sentences that a user reads, in English and Chinese."""
