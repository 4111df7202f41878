"""What every cluster has from the start, as data: roles and bindings, flow control, API services, priority classes."""
