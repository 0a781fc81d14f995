"""Who may use a device: leases, and the quarantine of a device that failed."""
