"""A trial's directory belongs to one trial, and its trial.json is enough to make the trial again."""

import json
from pathlib import Path

import optuna
import pytest
from optuna.trial import create_trial

from atft.errors import InputError
from atft.search.study.outcome import Outcome
from atft.search.trial.files import make_trial_directory, publish_trial, read_trial

LABELS = {"study": "s", "study_id": "id1", "config_digest": "c1", "data_digest": "d1"}
LR = optuna.distributions.FloatDistribution(1e-4, 1e-2, log=True)


def test_a_trial_of_the_database_can_be_made_again_from_its_file(tmp_path: Path) -> None:
    trial = create_trial(
        value=0.1,
        params={"lr": 1e-3},
        distributions={"lr": LR},
        intermediate_values={0: 0.1, 1: 0.2},
        user_attrs={"attempt": 1},
    )
    publish_trial(tmp_path, LABELS, trial, Outcome.FAILED, None, "full", "memory")
    held = read_trial(tmp_path)
    assert held is not None and LABELS.items() <= held.items()
    again = {
        k: optuna.distributions.json_to_distribution(json.dumps(d)) for k, d in held["distributions"].items()
    }
    assert again == {"lr": LR} and held["values"] == {"0": 0.1, "1": 0.2}
    assert held["user_attrs"] == {"attempt": 1, "failure": {"class": "memory", "reason": "full"}}


def test_a_trials_directory_is_made_where_nothing_lies(tmp_path: Path) -> None:
    make_trial_directory(tmp_path / "s" / "trial_0", LABELS)
    make_trial_directory(tmp_path / "s" / "trial_0", LABELS)  # empty: made, and killed before the first file
    assert (tmp_path / "s" / "trial_0").is_dir()


@pytest.mark.parametrize(
    ("whose", "said"),
    [
        (None, "files that no trial of a sweep left"),
        ({**LABELS, "study_id": "id2"}, r"a trial of another study of that name \(id id2"),
        (LABELS, "trial -1 of this study"),
    ],
)
def test_a_directory_that_holds_anything_is_refused(
    whose: dict[str, str] | None, said: str, tmp_path: Path
) -> None:
    (tmp_path / "config.yaml").touch()
    if whose is not None:
        publish_trial(tmp_path, whose, create_trial(value=1.0))
    with pytest.raises(InputError, match=f"holds {said}.*; move it away, or give the sweep another"):
        make_trial_directory(tmp_path, LABELS)
