"""What happened, as statuses report it: conditions that hold still. Pure; called by the families and by ``apiserver``."""
