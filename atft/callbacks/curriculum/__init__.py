"""Training in phases: what each phase sets, and when it ends."""
