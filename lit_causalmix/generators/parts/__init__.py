"""What generators are built from."""
