"""Asking a register for many numbers: bounded workers, paced, retried, recorded before counted."""
