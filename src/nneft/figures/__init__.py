"""Pictures of theory and measurement, for a page of a journal."""
