"""Headers to layouts: what each column means, and what raises where nothing fits."""

from pathlib import Path

import pytest

from atft.errors import InputError
from atft.features.price_dialects import Layout, check_columns, layout_of


def layout(header: str, second: str = "", path: str = "p.csv", **columns: str) -> Layout:
    return layout_of(Path(path), header.split(","), second.split(",") if second else [], columns)


@pytest.mark.parametrize(
    ("header", "dialect"),
    [
        ("<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>", "Stooq"),
        (
            "date,close,high,low,open,volume,adjClose,adjHigh,adjLow,adjOpen,adjVolume,divCash,splitFactor",
            "Tiingo",
        ),
        ("Date,Code,O,H,L,C,UL,LL,Vo,Va,AdjFactor,AdjO,AdjH,AdjL,AdjC,AdjVo", "J-Quants"),
        ("instrument,datetime,$open,$close,$high,$low,$volume,$factor", "Qlib"),
        ("Date,Open,High,Low,Close,Adj Close,Volume", "yfinance"),
        ("timestamp,open,high,low,close,adjusted_close,volume", "daily bars"),
        (
            "ts_code,trade_date,open,high,low,close,vol",
            "Tushare (on mainland exchanges a volume counts lots of 100 shares)",
        ),
        (" DATE ,OPEN,HIGH,LOW,CLOSE", "daily bars"),
        ("date,1. open,2. high,3. low,4. close,5. volume", "daily bars"),
        ("date,ticker,close,volume", "closes"),
        ("date,ticker,adj close", "closes"),
        (",A,MSFT,LOW,O,T", "wide table"),
    ],
)
def test_a_header_is_recognised_without_case(header: str, dialect: str) -> None:
    assert layout(header).dialect == dialect
    assert layout(header.lower()).dialect == layout(header.upper()).dialect == dialect


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ("date,rank,code,sector,score_1d,score_5d,rank_before", "a list of ranked stocks"),
        (
            "date,rank,code,sector," + ",".join(f"score_{h}d" for h in range(9)) + ",rank_before",
            "a list of ranked",
        ),
        ("date,code,horizon,score,target,split", "predictions"),
    ],
)
def test_what_atft_writes_is_not_read_as_prices(header: str, what: str) -> None:
    with pytest.raises(InputError, match=rf"^p.csv: {what}.*, no prices; keep it in another folder$"):
        layout(header)


@pytest.mark.parametrize(
    ("header", "day"),
    [
        (",Open,High,Low,Close,Volume", ""),
        (",Date,Open,High,Low,Close,Volume", "Date"),
        ("A,B,__index_level_0__", "__index_level_0__"),
    ],
)
def test_an_index_without_a_name_is_the_date_where_no_column_is(header: str, day: str) -> None:
    found = layout(header)
    assert (found.date, found.unused) == (day, ())


@pytest.mark.parametrize("index", ["", "index", "Unnamed: 0", "__index_level_0__"])
def test_an_index_beside_the_dates_is_no_stock_of_a_wide_table(index: str) -> None:
    found = layout(f"{index},Date,A,B")
    assert (found.date, list(found.bars), found.unused) == ("Date", ["A", "B"], (index,) if index else ())


def test_a_row_layout_names_a_column_for_each_role_and_what_is_not_used() -> None:
    found = layout("Date,Ticker,Open,High,Low,Close,Adj Close,Volume,Dividends,")
    assert (found.date, found.code, found.sector, found.unused) == ("Date", "Ticker", None, ("Dividends",))
    assert found.bars[""] == {
        **{p.lower(): p for p in ("Open", "High", "Low", "Close", "Volume")},
        "adjusted_close": "Adj Close",
    }
    assert found.columns == ["Date", "Ticker", "Open", "High", "Low", "Close", "Volume", "Adj Close"]


def test_the_name_in_lower_case_wins_over_the_same_in_another_case() -> None:
    assert layout("Date,Close,close,DATE,date").bars[""] == {"close": "close"}


def test_an_adjusted_close_alone_is_the_close() -> None:
    assert layout("date,code,adj_close").bars[""] == {"close": "adj_close"}
    pairs = layout("Price,Adj Close,Adj Close", "Ticker,A,B")
    assert pairs.bars == {"A": {"close": "1"}, "B": {"close": "2"}}


@pytest.mark.parametrize(
    "name", ["Adj. Close", "closeadj", "adj-close", "Adjusted", "Adjusted Closing Price"]
)
def test_an_adjusted_close_is_known_however_its_name_is_written(name: str) -> None:
    for found in (layout(f"date,code,close,{name}"), layout(f"date,code,close,{name}", close=name)):
        assert (found.bars[""], found.unused) == ({"close": "close", "adjusted_close": name}, ())


@pytest.mark.parametrize(
    "name", ["closeunadj", "adj_factor", "price_adj_factor", "adj_open", "AdjustmentFactor"]
)
def test_what_else_is_about_adjustment_is_no_adjusted_close(name: str) -> None:
    assert layout(f"date,code,close,{name}").unused == (name,)


def test_a_bar_whose_only_close_is_adjusted_raises_unless_it_is_named() -> None:
    header = "Date,Ticker,Open,High,Low,Adj Close,Volume"
    for names in ((header,), ("Price,Open,Adj Close", "Ticker,A,A")):
        with pytest.raises(
            InputError, match=r"^p\.csv: an adjusted close and an open, but no close to adjust"
        ):
            layout(*names)
    bar = layout(header, close="Adj Close").bars[""]
    assert bar["close"] == "Adj Close" and "adjusted_close" not in bar


def test_a_wide_table_has_the_price_that_its_file_is_named_for() -> None:
    assert layout("Date,A,B", path="volume.csv").bars == {"A": {"volume": "A"}, "B": {"volume": "B"}}
    assert layout("Date,A,B", path="Adj Close.csv").prices == ("adjusted_close",)
    assert layout("Date,A,B", path="spx.csv").prices == ("close",)
    for name in ("PX_VOLUME.csv", "volume_2015.csv.gz", "sp500-volume.parquet"):
        assert layout("Date,A,B", path=name).prices == ("volume",)
    assert layout("Date,A,B", path="low_vol_stocks.csv").prices == ("close",), "two prices are none"


@pytest.mark.parametrize(
    ("header", "second", "said"),
    [
        (
            "day,code,last",
            "",
            "no column 'close'; name it, --columns '{close: NAME}' (in Python FeatureOptions(columns=...)); "
            "its columns are code, day, last",
        ),
        ("when,open,high,low,close", "", "no column 'date'; name it, --columns '{date: NAME}'"),
        ("date,open,low,close,volume", "", "no column 'high'; name it"),
        ("date,open,high,close,CLOSE,close", "", "no column 'low'"),
        ("date,code,close,close", "", "two columns are named 'close'; rename or drop one"),
        ("date,AAPL,AAPL", "", "two columns are named 'AAPL'; rename or drop one"),
        ("date,AAPL,AAPL ", "", "two columns are named 'AAPL'; rename or drop one"),
        ("date,AAPL", "", "no column 'close'"),
        ("Date,TRDPRC_1,OPEN_PRC,HIGH_1,LOW_1,ACVOL_UNS", "", "no column 'close'"),
        ("Date,Close/Last,Volume,Open", "", "no column 'close'"),
        ("Price,Close,Close", "Ticker,A,A", "two columns are Close of A; rename or drop one"),
        ("Price,Open,High", "Ticker,A,A", "no column 'close'"),
        ("Price,Close,x", "Ticker,A,B", "two header rows, and none has prices only"),
    ],
)
def test_a_header_that_fits_nothing_is_one_line(header: str, second: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        layout(header, second)
    assert (
        str(caught.value).startswith("p.csv: ") and said in str(caught.value) and len(str(caught.value)) < 200
    )


def test_a_date_that_only_a_folder_names_is_said() -> None:
    with pytest.raises(
        InputError, match="'date' is in the folder's name only, date=2020-01-02; write it into"
    ):
        layout("code,open,high,low,close", path="prices/date=2020-01-02/part-0.csv")


def test_columns_that_are_all_named_hide_no_adjusted_close_or_sector_and_are_of_no_vendor() -> None:
    bar = {p: p.capitalize() for p in ("date", "open", "high", "low", "close", "volume")}
    found = layout("Date,Ticker,Open,High,Low,Close,Adj Close,Volume,Sector", **bar)
    assert (found.dialect, found.code, found.sector, found.unused) == ("yfinance", "Ticker", "Sector", ())
    assert found.prices == ("open", "high", "low", "close", "volume", "adjusted_close")
    own = {"date": "dt", "code": "sym", **{p: f"px_{p[0]}" for p in ("open", "high", "low", "close")}}
    assert layout("dt,sym,px_o,px_h,px_l,px_c,volume,sector", **own).dialect == "daily bars"
    assert layout("dt,sym,px_o,px_h,px_l,px_c,volume,sector", **own).unused == ()


def test_columns_are_roles_without_case_and_must_be_there() -> None:
    found = layout("When,Security,Last,Volume", date="WHEN", code="security", close="last")
    assert (found.date, found.code) == ("When", "Security")
    assert found.bars[""] == {"close": "Last", "volume": "Volume"}
    with pytest.raises(InputError, match=r"no column 'Lst' for columns\.close; did you mean 'Last'"):
        layout("When,Security,Last", close="Lst")
    with pytest.raises(InputError, match="two header rows name its prices; leave columns out"):
        layout("Price,Close", "Ticker,A", close="Close")
    with pytest.raises(InputError, match="columns has no 'clos'; did you mean 'close'"):
        check_columns({"clos": "Adj Close"})
