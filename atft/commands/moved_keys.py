"""Keys that configurations of earlier versions have, and where each is written now."""

TERM_OPTIONS = {
    "huber_delta": ("huber", "delta"),
    "anchors": ("rank_ic", "anchors"),
    "temperature": ("rank_ic", "temperature"),
    "ranknet_pairs": ("ranknet", "pairs"),
    "listnet_top": ("listnet", "top"),
    "listnet_temperature": ("listnet", "temperature"),
    "ndcg_grades": ("ndcg", "grades"),
    "exposure_ridge": ("exposure", "ridge"),
    "scale_floor": ("scale_floor", "floor"),
    "sharpe_half_life_days": ("sharpe", "half_life_days"),
}

MOVED = {
    f"model.objective.{key}": f"model.objective.terms: {{{term}: {{weight: ..., {option}: ...}}}}"
    for key, (term, option) in TERM_OPTIONS.items()
}
"""Former dotted key -> what to write instead."""
