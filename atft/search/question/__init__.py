"""What a sweep asks: its options and space, the configuration of each trial, the base frozen into the study."""
