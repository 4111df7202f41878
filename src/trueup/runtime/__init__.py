"""Informers, queues, workers, events, metrics, logs: what runs the families' controllers against any `ports.Client`."""
