//! The numbers behind each cell, for the script: what it needs to draw the seeds of a cell.

use serde_json::{Value, json};

use super::definitions;
use crate::metrics::MetricValue;
use crate::report::load::SEEDS_SHOWN;
use crate::report::runs::RunResult;
use crate::report::table::{Cell, Column, Row, Table, markdown};

/// All tables, in the order of the page.
pub(super) fn of(tables: &[Table], runs: &[RunResult]) -> Value {
    let table = |table: &Table| {
        let mine = table.runs(runs);
        let column = |c: &Column| json!({"id": c.id, "title": c.title, "unit": c.unit, "tip": definitions::tip(c), "floor": c.floor});
        let columns: Vec<Value> = table.columns.iter().map(column).collect();
        let rows: Vec<Value> = table.rows.iter().map(|row| self::row(row, &table.columns, &mine)).collect();
        json!({"title": table.title, "columns": columns, "rows": rows})
    };
    Value::Array(tables.iter().map(table).collect())
}

fn row(row: &Row, columns: &[Column], runs: &[&RunResult]) -> Value {
    let mine: Vec<&&RunResult> = runs.iter().filter(|r| r.row_label() == row.label).take(SEEDS_SHOWN).collect();
    let cell = |(cell, column): (&Cell, &Column)| {
        let seeds: Vec<Value> = mine.iter().filter_map(|run| Some(seed(run, run.metric(&column.id)?))).collect();
        json!({
            "text": markdown::ours(cell, row), "mean": cell.mean, "lo": cell.lo, "hi": cell.hi, "paper": cell.paper,
            "best": cell.best, "at_floor": cell.at_floor, "seeds": seeds,
        })
    };
    let cells: Vec<Value> = row.cells.iter().zip(columns).map(cell).collect();
    json!({"label": row.label, "published": row.published_only, "cells": cells})
}

fn seed(run: &RunResult, m: &MetricValue) -> Value {
    json!({
        "seed": run.seed, "run": run.run_id, "value": m.value, "lo": m.lo, "hi": m.hi,
        "worth": m.n_effective, "dropped": m.dropped, "note": m.note,
    })
}
