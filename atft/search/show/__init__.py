"""What a study has found, for people: status, best configuration, report, dashboard."""
