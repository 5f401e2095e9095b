"""From daily prices to a panel: features, forward returns, universe, and the gates before them."""
