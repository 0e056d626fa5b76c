"""What touches the disk: cache entries, packed state."""
