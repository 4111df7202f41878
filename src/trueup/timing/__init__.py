"""Durations, timestamps, back-off, cron and windows: numbers in, numbers out. Pure; random numbers come in as arguments."""
