"""Files: read with every broken one named, written whole or not at all."""
