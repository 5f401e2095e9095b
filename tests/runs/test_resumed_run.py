"""What a resume counts. Its errors: `tests/runs/test_trainer.py`, `tests/commands/test_resume.py`."""

from atft.runs.resumed_run import all_done, epochs_done


def test_the_epochs_are_those_that_the_loop_has_processed() -> None:
    content = {"loops": {"fit_loop": {"epoch_progress": {"current": {"processed": 2, "completed": 1}}}}}
    assert epochs_done(content) == 2
    line = "last.ckpt: 2 epochs of trainer.max_epochs 1 done; raise it to go on"
    assert str(all_done(content, "last.ckpt", 1)) == line
