"""What touches the disk: atomic writing, digests, cache entries, packed state."""
