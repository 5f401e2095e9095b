import numpy as np
import pyarrow as pa

from atft.data.day_record import WIDE, decode_day, encode_day


def test_a_day_reads_back_as_it_was_written_without_a_copy() -> None:
    rng = np.random.default_rng(0)
    widths = {**dict.fromkeys(WIDE, 2), "oracle": 0, "half_features": 3}
    arrays = {name: rng.standard_normal((7, width)).astype(np.float32) for name, width in widths.items()}
    arrays["half_features"] = arrays["half_features"].astype(np.float16)
    arrays["features"][2] = np.nan
    arrays["observed"], arrays["universe"] = rng.random(7) < 0.5, rng.random(7) < 0.5
    arrays["sector"] = rng.integers(-1, 4, 7).astype(np.int16)
    arrays["return_1d"] = rng.standard_normal(7).astype(np.float32)
    record = encode_day(arrays)
    before = pa.total_allocated_bytes()
    view = decode_day(record)
    assert pa.total_allocated_bytes() == before
    for name, array in arrays.items():
        np.testing.assert_array_equal(getattr(view, name), array)
        assert getattr(view, name).dtype == array.dtype
    assert "oracle" not in record.schema.names
    assert view.oracle.shape == (7, 0)
