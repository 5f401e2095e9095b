"""From a frame to a trained network and its table, without YAML: about half a minute on 2 cores.

python examples/train_on_your_frame.py                  # a simulated market
python examples/train_on_your_frame.py panel.parquet    # your own; set its columns and dates below
"""

import argparse
from functools import partial
from pathlib import Path

import polars
import torch

import atft
from atft.market.write import write_market
from atft.nn.atft_gat_fan import ATFTGATFAN
from atft.optim.schedules import WarmupCosine

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("panel", nargs="?", help="Parquet file; without one a market is simulated")
panel = parser.parse_args().panel
if panel is not None and not Path(panel).is_file():
    parser.error(f"{panel}: no such file")

if panel is not None:
    frame = polars.read_parquet(panel)
else:
    market = Path("cache/market.parquet")
    write_market(market, atft.MarketOptions(stocks=100, days=420, features=18, seed=1))
    frame = polars.read_parquet(market)

data = atft.DayData(
    atft.PanelOptions.from_frame(frame, atft.PanelSchema(features=["x_*"], targets="target_{h}d")),
    split=atft.SplitOptions(
        train=["2015-01-01", "2015-12-31"],
        val=["2016-01-01", "2016-04-15"],
        test=["2016-04-18", "2016-12-31"],
        embargo_days=5,
    ),
    loader=atft.LoaderOptions(lookback=20, batch_size=768),
    graph=atft.GraphOptions(k=5, sector_k=0),
    horizons=[1, 5],
)
torch.manual_seed(1)
task = atft.RankingTask.for_data(
    data,
    partial(ATFTGATFAN, hidden_size=16, gat_layers=1, dropout=0.5),
    optimizer=partial(torch.optim.AdamW, lr=3e-3, weight_decay=0.3),
    scheduler=partial(WarmupCosine, warmup_epochs=0.5),
)
trainer = atft.Trainer("lightning_logs/frame", max_epochs=4)
trainer.fit(task, data)

run = atft.read_run(trainer.directory)
best = atft.RankingTask.load_from_checkpoint(run.checkpoint)  # the best epoch's weights
scores = atft.predict(best, data)
print(scores.select("date", "code", "horizon", "score", "target").tail(3))
table = atft.evaluate(scores, split="test", data=data)
with polars.Config(tbl_rows=-1, float_precision=4):
    print(table.select("horizon", "scorer", "lag", "days", "rank_ic", "rank_ic_error"))
print(f"everything about the run: {run.directory}")
