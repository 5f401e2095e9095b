"""Lightning writes and reads checkpoints as the program does."""

from pathlib import Path

from atft.files.checkpoint_file import read_checkpoint
from atft.files.checkpoint_io import AtomicCheckpointIO
from tests.support.checkpoints import same, small_checkpoint


def test_lightning_reads_what_it_wrote_and_so_does_the_program(tmp_path: Path) -> None:
    path, files = tmp_path / "deep" / "a.ckpt", AtomicCheckpointIO()
    files.save_checkpoint(small_checkpoint(), path)
    assert same(files.load_checkpoint(path), read_checkpoint(path))
    assert [p.name for p in path.parent.iterdir()] == ["a.ckpt"]
