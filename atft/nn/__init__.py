"""The ATFT-GAT-FAN network and its blocks. Networks know no loss."""
