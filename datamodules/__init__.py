"""Lightning datamodules that stream episodes."""
