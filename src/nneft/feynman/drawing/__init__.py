"""Pictures of diagrams: geometry once, then a small writer for each form; see README.md."""
