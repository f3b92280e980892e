"""Tables of lanes, and files of them: every lane once, its numbers to the last bit, nothing that is not computed."""

import functools
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small
import xarray as xr
from small import STATUSES

import adam_vs_gd as ag
from adam_vs_gd import cli
from adam_vs_gd.results.dataset import to_dataset
from adam_vs_gd.results.table import lanes, paths
from adam_vs_gd.spec.cells import cells
from adam_vs_gd.store import export

SHIPPED = Path(__file__).parent.parent / "results"
GRIDS = ("sigma_p-by-s", "eta-by-alpha", "beta2-by-alpha", "optimizers", "lam-by-steps")
"""Two axes; values by optimizer; an axis that an optimizer lacks; many optimizers; trainings of several lengths."""


@functools.cache
def shipped(name):
    return ag.load_results(SHIPPED / name)


def made(done=None, **keys):
    """A sweep in which every variable is a number of its own; all lanes are fitted, or those of `done` alone."""
    results = to_dataset(small.spec(**keys), [])
    rng = np.random.default_rng(0)
    values = {
        name: variable.copy(data=rng.random(variable.shape, np.float32))
        for name, variable in results.data_vars.items()
        if name != "status"
    }
    fitted = xr.full_like(results.status, STATUSES.index("fitted"))
    return results.assign(values | {"status": fitted if done is None else fitted.where(done, 0)})


@pytest.mark.parametrize("name", GRIDS)
def test_a_row_for_every_lane_of_the_spec(name):
    table = lanes(shipped(name))
    there = {lane.digest for _, lane in cells(ag.load_spec(SHIPPED / name / "spec.toml"))}
    assert len(table) == len(there)
    numbers = list(table.columns[: table.columns.get_loc("status")])
    assert not table.duplicated(numbers).any(), "numbers, seed and optimizer name a lane"


def test_a_refined_sweep_has_the_lanes_that_it_asked_for():
    results = shipped("adam-at-rest")
    table = lanes(results)
    assert len(table) == int((results.status != 0).sum()) < results.status.size / 5
    assert set(table.side) == {"below", "above", "not_told"}


@pytest.mark.parametrize("name", GRIDS)
def test_every_row_is_the_cell_that_its_numbers_name(name):
    results = shipped(name)
    table = lanes(results)
    for row in table.iloc[:: max(1, len(table) // 40)].to_dict("records"):
        cell = results.sel(optimizer=row["optimizer"], seed=row["seed"])
        for dim in set(results.status.dims) - {"optimizer", "seed"}:
            values = cell[dim.removesuffix("_index")].values
            here = np.flatnonzero(values == row[dim.removesuffix("_index")])
            cell = cell.isel({dim: here[0] if here.size else 0})  # an optimizer without it is the same everywhere
        assert row["status"] == STATUSES[int(cell.status)]
        np.testing.assert_equal(row["test_error"], cell.test_error.item())
        np.testing.assert_equal(row["capital_lambda[-1]"], cell.capital_lambda.sel({"class": -1}).item())


def test_means_of_the_table_are_those_of_the_dataset():
    results = shipped("sigma_p-by-s")
    table = lanes(results)
    means = table.astype({"train_error": float}).groupby(["optimizer", "s", "sigma_p"]).train_error.mean()
    expected = results.train_error.astype(float).mean("seed").transpose(*means.index.names)
    np.testing.assert_allclose(means.to_numpy(), expected.values.ravel(), rtol=1e-14)


def test_a_number_that_an_optimizer_lacks_is_nan_and_its_lane_one_row():
    results = made(optimizers={"adam": {"beta2": [0.9, 0.99, 0.999]}, "gd": {}})
    table = lanes(results).set_index("optimizer")
    assert table.loc["adam", "beta2"].tolist() == [0.9, 0.9, 0.99, 0.99, 0.999, 0.999]
    assert table.loc["gd", "beta2"].isna().tolist() == [True, True]
    assert table.loc["gd", "test_error"].tolist() == results.test_error.sel(optimizer="gd", beta2=0.9).values.tolist()
    assert "beta2_index" not in table


def test_a_number_of_one_value_beside_a_list_is_one_row_too():
    results = made(optimizers={"adam": {"eta": [1e-3, 1e-2]}, "gd": {"eta": 0.1}})
    assert "eta_index" in results.dims
    table = lanes(results)
    assert "eta_index" not in table
    assert table.groupby("optimizer").eta.unique().map(list).to_dict() == {"adam": [1e-3, 1e-2], "gd": [0.1]}
    assert table.optimizer.value_counts().to_dict() == {"adam": 4, "gd": 2}


def test_fixed_numbers_are_there_and_part_of_the_results_may_be_asked_for():
    results = made(data={"alpha": [0.0, 0.2]})
    table = lanes(results)
    assert (table.n == 20).all()
    assert (table.sigma_0 == results.sigma_0.item()).all()
    one = lanes(results.sel(optimizer="gd", alpha=0.2, seed=1))
    assert one[["optimizer", "alpha", "seed"]].values.tolist() == [["gd", 0.2, 1]]
    assert one.test_error.item() == results.test_error.sel(optimizer="gd", alpha=0.2, seed=1).item()


def test_what_is_pending_has_no_row():
    blank = to_dataset(small.spec(), [])
    assert len(lanes(blank)) == len(paths(blank)) == 0
    assert list(lanes(blank).columns) == list(lanes(made()).columns)
    half = made(done=blank.seed == 1)
    assert set(lanes(half).seed) == set(paths(half).seed) == {1}
    assert "pending" not in set(lanes(half).status)


@pytest.mark.parametrize(("grid", "time", "name"), [("record", "step", "loss_path"),
                                                     ("test_record", "test_step", "test_error_path")])  # fmt: skip
def test_trajectories_are_long(grid, time, name):
    results = shipped("sigma_p-by-s")
    table = paths(results, grid)
    assert len(table) == results.status.size * results.sizes[grid]
    where = {"optimizer": "gd", "s": 100, "sigma_p": results.sigma_p.values[3], "seed": 2}
    mask = np.logical_and.reduce([table[key] == value for key, value in where.items()])
    assert table[time][mask].tolist() == results[time].values.tolist()
    np.testing.assert_array_equal(table[name][mask], results[name].sel(where).values)


def test_steps_of_a_trajectory_are_those_of_its_own_training():
    results = made(steps=[40, 60], record=4)
    table = paths(results)
    assert table.groupby("steps").step.unique().map(list).to_dict() == {
        40: [0, 10, 20, 30, 40],
        60: [0, 15, 30, 45, 60],
    }
    with pytest.raises(ValueError, match="must be 'record' or 'test_record'"):
        paths(results, "step")


def test_an_array_a_lane_is_no_column_and_is_said():
    table = lanes(shipped("figure1/tuning"))
    assert table.attrs["left_out"] == {"filters": [11, 11, 3, 16]}
    assert not [name for name in table if name.startswith("filters")]


@pytest.mark.parametrize("use", [ag.lanes, ag.paths, lambda it: ag.compare(it, it),
                                 lambda it: ag.boundary(it, x="alpha", y="s", level=0.5)])  # fmt: skip
@pytest.mark.parametrize(("it", "called"), [("runs/mine", '"runs/mine"'), (xr.DataArray(np.ones((2, 2))), "an array")])
def test_what_is_no_dataset_is_told_how_to_get_one(use, it, called):
    with pytest.raises(TypeError, match=f"{called}.*: must be an xarray.Dataset; load_results"):
        use(it)


def test_a_dataset_of_somebody_else_has_a_table_too():
    foreign = xr.Dataset({"test_error": (("lr", "seed"), [[0.1, 0.2], [np.nan, 0.4]])}, {"lr": [1e-3, 1e-2]})
    table = lanes(foreign)
    assert table[["lr", "seed", "test_error"]].values.tolist() == [[1e-3, 0, 0.1], [1e-3, 1, 0.2], [1e-2, 1, 0.4]]


def bits(values):
    """Floats as bytes, all NaN alike."""
    return values.fillna(np.nan).to_numpy().tobytes()


@pytest.mark.parametrize("name", ["eta-by-alpha", "adam-at-rest"])
def test_csv_and_parquet_give_the_same_bits(name, tmp_path):
    results = shipped(name)
    table = lanes(results)
    export.export(results, tmp_path / "t.csv", "csv", with_paths=False, replace=False)
    export.export(results, tmp_path / "t.parquet", "parquet", with_paths=False, replace=False)
    for read in (pd.read_csv(tmp_path / "t.csv"), pd.read_parquet(tmp_path / "t.parquet")):
        assert list(read) == list(table)
        for column, values in table.items():
            if values.dtype.kind == "f":
                assert bits(read[column].astype(values.dtype)) == bits(values), column
            else:
                assert read[column].tolist() == values.tolist(), column
    beside = json.loads((tmp_path / "t.json").read_text())
    kept = pd.read_parquet(tmp_path / "t.parquet").attrs
    assert beside["spec"] == kept["spec"] == results.attrs["spec"]
    assert beside["files"]["t.csv"]["columns"] == kept["columns"]
    assert kept["columns"]["test_error"]["long_name"] == "test error"


@pytest.mark.parametrize("name", ["eta-by-alpha", "adam-at-rest", "figure1/tuning"])
def test_netcdf_is_the_dataset(name, tmp_path):
    results = shipped(name)
    export.export(results, tmp_path / "t.nc", "netcdf", with_paths=False, replace=False)
    with xr.open_dataset(tmp_path / "t.nc", engine="h5netcdf") as read:
        xr.testing.assert_identical(read.load(), results)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """The folder of a sweep that is not finished: a shipped one, of which one seed more is asked for."""
    folder = tmp_path_factory.mktemp("table") / "running"
    shutil.copytree(SHIPPED / "lam-by-steps", folder)
    text = (folder / "spec.toml").read_text()
    (folder / "spec.toml").write_text(text.replace("seeds = [\n", "seeds = [\n    99,\n"))
    return folder


def test_export_of_a_running_sweep(swept, capsys):
    assert cli.main(["export", str(swept), "--paths"]) == 0
    out, err = capsys.readouterr()
    names = [Path(line.split(" (")[0]).name for line in out.splitlines()]
    assert names == ["lanes.csv", "lanes-record.csv", "lanes-test_record.csv", "lanes.json"]
    assert "not finished" in err
    there = lanes(shipped("lam-by-steps"))
    table = pd.read_csv(swept / "export" / "lanes.csv")
    assert sorted(table.seed) == sorted(there.seed), "and not 99"
    assert len(pd.read_csv(swept / "export" / "lanes-record.csv")) == 26 * len(there)
    assert cli.main(["export", str(swept)]) == 0, "an older export is replaced where nothing else is"


def test_a_file_that_is_named_is_never_replaced_unasked(swept, tmp_path, capsys):
    (beside := tmp_path / "mine.json").write_text("mine")
    assert cli.main(["export", str(swept), "--out", str(tmp_path / "mine.csv")]) == 2
    assert "mine.json: there already; choose another name with --out, or say --overwrite" in capsys.readouterr().err
    assert beside.read_text() == "mine"
    assert not (tmp_path / "mine.csv").exists()
    assert cli.main(["export", str(swept), "--out", str(tmp_path / "mine.csv"), "--overwrite"]) == 0
    assert json.loads(beside.read_text())["title"] == "lam-by-steps"


@pytest.mark.parametrize(("arguments", "said"), [
    (["--to", "netcdf", "--paths"], "netcdf has the trajectories anyway"),
    (["--to", "csv", "--out", "x.nc"], "--out x.nc: must end in .csv with --to csv"),
    (["--out", "x.xlsx"], "--out x.xlsx: must end in .csv, .nc, .parquet"),
    (["--to", "excel"], "invalid choice: 'excel'"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused(arguments, said, swept, capsys):
    assert cli.main(["export", str(swept), *arguments]) == 2
    assert said in capsys.readouterr().err


def test_the_ending_says_which_format(swept, tmp_path):
    assert cli.main(["export", str(swept), "--out", str(tmp_path / "a.parquet")]) == 0
    assert len(pd.read_parquet(tmp_path / "a.parquet")) == len(lanes(shipped("lam-by-steps")))


def test_a_missing_library_is_said_before_anything_is_read(monkeypatch, capsys):
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda name: None)
    assert cli.main(["export", "nowhere", "--to", "netcdf"]) == 2
    said = capsys.readouterr().err
    assert "needs h5netcdf and h5py" in said
    assert "pip install 'adam-vs-gd[netcdf]'" in said
    assert cli.main(["export", "nowhere"]) == 2, "CSV needs nothing"
    assert "nowhere: holds no sweep" in capsys.readouterr().err
