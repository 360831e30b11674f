//! Every norm of every run, written as it is read: too many rows to hold.

use std::io::{self, Write};

use super::arrays;
use crate::plan::{Plan, PlannedRun};
use crate::record::RunRecord;
use crate::tables::{GradientRow, Table};

/// Writes `gradients.csv`: the norms of all runs, quantities and steps, none left out. `load` gives the
/// record of a run of a grid point, by the point's index.
pub fn write_gradients(
    plan: &Plan,
    load: &mut dyn FnMut(usize, &PlannedRun) -> Option<RunRecord>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let table = Table::<GradientRow>::new(Vec::new());
    out.write_all(table.header().as_bytes())?;
    let points = plan.points.iter().enumerate();
    for (point, run) in
        points.flat_map(|(index, point)| point.runs.iter().map(move |run| (index, run)))
    {
        let Some(record) = load(point, run) else {
            continue;
        };
        for quantity in arrays::quantities(&record) {
            let norms = &record.arrays[quantity].values;
            let steps = run.spec.sequence.steps;
            let first_step = arrays::first_step(norms.len(), steps);
            let row = |(row, &log10_norm): (usize, &f64)| GradientRow {
                run_id: run.id.clone(),
                quantity: quantity.to_owned(),
                t: first_step + row,
                lag: norms.len() - 1 - row,
                log10_norm,
            };
            let rows = norms.iter().enumerate().map(row);
            let mut parts = table.lines_in_parts(rows);
            parts.try_for_each(|part| out.write_all(part.as_bytes()))?;
        }
    }
    Ok(())
}
