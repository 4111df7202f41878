"""What has no machine behind it: a node, its kubelet, the scheduler, a cloud. Simulated, and it says so."""
