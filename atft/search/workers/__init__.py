"""The processes of a sweep: preparation, supervisor, workers, and when to abort."""
