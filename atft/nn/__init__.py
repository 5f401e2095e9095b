"""The ATFT-GAT-FAN network and its parts. Networks know no loss."""
