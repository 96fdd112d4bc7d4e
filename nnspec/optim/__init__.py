"""Optimizers, schedules and metrics: declared once, lowered per backend, like ops."""
