"""Loads: what a file means (feeds), reading and judging it, copying it, quarantine, the landing folder."""
