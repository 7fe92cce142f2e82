//! The table as CSV, one line per method and metric. Labels that a spreadsheet would take for formulas are marked as text.

use std::fmt::Write;

use super::{Cell, Table};
use crate::report::missing::Gap;
use crate::text;

/// Tidy CSV: every number in full, empty where there is none.
#[must_use]
pub fn csv(tables: &[Table]) -> String {
    let mut out = String::from(
        "system,temperature,method,published_only,metric,version,unit,mean,sd,lo,hi,error,freedom,floor,paper,paper_sd,best,at_floor,\
         seeds,partial,missing,charged_evaluations,run_ids,why_missing,counted\n",
    );
    let full = |x: Option<f64>| x.map_or(String::new(), |x| x.to_string());
    for table in tables {
        for row in &table.rows {
            let why: Vec<String> = row.missing.iter().map(Gap::line).collect();
            let mut line = |cell: &Cell, metric: [String; 3]| {
                let [id, version, unit] = metric;
                let fields = [
                    table.system.clone(),
                    table.temperature.to_string(),
                    row.label.clone(),
                    row.published_only.to_string(),
                    id,
                    version,
                    unit,
                    full(cell.mean),
                    full(cell.sd),
                    full(cell.lo),
                    full(cell.hi),
                    full(cell.error),
                    full(cell.freedom),
                    full(cell.floor),
                    full(cell.paper),
                    full(cell.paper_sd),
                    cell.best.to_string(),
                    cell.at_floor.to_string(),
                    row.seeds.to_string(),
                    row.partial.to_string(),
                    row.missing.len().to_string(),
                    row.charged.map_or(String::new(), |n| n.to_string()),
                    cell.run_ids.join(" "),
                    why.join("; "),
                    if row.published_only { String::new() } else { row.counted.word().to_owned() },
                ];
                let fields: Vec<String> = fields.iter().map(|f| text::csv(f)).collect();
                let _ = writeln!(out, "{}", fields.join(","));
            };
            for (cell, column) in row.cells.iter().zip(&table.columns) {
                line(cell, [column.id.clone(), column.version.to_string(), column.unit.clone()]);
            }
            // A row without any metric still says what it lacks.
            if table.columns.is_empty() {
                line(&Cell::default(), Default::default());
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::table::{collect, tests::example};

    #[test]
    fn every_line_has_every_field() {
        let mut runs = example();
        runs[4].label = "MD, \"long\"".into();
        let text = csv(&collect(&runs).unwrap());
        let header = text.lines().next().unwrap().matches(',').count();
        assert!(text.contains("\"MD, \"\"long\"\"\""));
        for line in text.lines().filter(|l| !l.contains('"')) {
            assert_eq!(line.matches(',').count(), header, "{line}");
        }
        let line = text.lines().nth(1).unwrap();
        let [_, interval] = line.split("kT,3,1,").collect::<Vec<_>>()[..] else { panic!("{line}") };
        let numbers: Vec<f64> = interval.split(',').take(4).map(|x| x.parse().unwrap()).collect();
        // Student's t with two degrees of freedom: 4.3027 standard errors of 1 / sqrt(3).
        let error = 1.0 / 3_f64.sqrt();
        for (found, expected) in numbers.iter().zip([3.0 - 4.302_653 * error, 3.0 + 4.302_653 * error, error, 2.0]) {
            assert!((found - expected).abs() < 1e-5, "{line}");
        }
        assert!(
            line.contains(
                ",0.10000000000000002,2.26,0.21,false,false,3,0,1,1000002,pita1 pita2 pita3,seed 4 (run pita4): failed: training"
            ),
            "{line}"
        );
    }
}
