"""The sweep: many training runs over a space of configurations, in a study that survives anything."""
