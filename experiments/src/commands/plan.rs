//! `plan`: what `run` would do.

use gradient_tracking::CellShape;

use crate::cli::Experiment;
use crate::commands::{CommandError, Status, jobs_or_cores, prepare, print, read_config};
use crate::config::{in_digits, in_units, readable};
use crate::store::available_memory;

pub fn plan(experiment: &Experiment) -> Result<Status, CommandError> {
    let text = read_config(&experiment.config)?;
    let plan = prepare(&text, &experiment.config, &experiment.sets)?.plan;
    let config = &plan.config;
    let runs = plan.runs().count();
    let mut text = String::new();
    let mut line = |line: String| text.push_str(&format!("{line}\n"));
    line(format!(
        "{}: {} × {} = {}",
        config.name,
        count(plan.points.len(), "grid point"),
        count(config.replicates, "replicate"),
        count(runs, "run")
    ));
    for cell in &config.cells {
        let points = plan
            .points
            .iter()
            .filter(|point| point.key.cell == cell.label)
            .count();
        line(format!("  {}: {}", cell.label, count(points, "grid point")));
    }
    for axis in &config.sweep {
        let values = listed(&axis.values);
        line(format!("  {} = [{values}]", axis.key));
    }
    line(format!(
        "  T = {} steps, B = {} sequences",
        config.sequence.steps, config.sequence.batch
    ));
    line(format!(
        "  work: about {} GFLOP",
        match plan.flops() as f64 / 1e9 {
            work if work < 1e6 => format!("{work:.3}"),
            work => format!("{work:.1e}"),
        }
    ));
    let jobs = jobs_or_cores(None).min(runs);
    let needs = plan.needs();
    let memory = needs.memory;
    line(format!(
        "  memory: at most {}, with {jobs} at a time",
        in_units(memory.total(jobs))
    ));
    line(format!(
        "    {jobs}·(W + max(N, R + A)) = {} for runs: W = {} to work with, N = {} measured, \
         R = {} recorded, A = {} of the analysis",
        in_units(memory.runs(jobs)),
        in_units(memory.run.working),
        in_units(memory.run.measured),
        in_units(memory.run.record),
        in_units(memory.run.analysis),
    ));
    line(format!(
        "    and {} for records of other runs, {} for tables and figures, {} for the program",
        in_units(memory.records(jobs)),
        in_units(memory.tables),
        in_units(memory.program)
    ));
    if let Some(spec) = needs.largest {
        let (steps, batch) = (spec.sequence.steps, spec.sequence.batch);
        let shapes = spec.shapes();
        let rows = |of: fn(&CellShape) -> usize| shapes.iter().map(|s| of(s) as u128).sum::<u128>();
        let (state, saved) = (rows(|shape| shape.state), rows(|shape| shape.saved));
        let held = config.memory.segment(steps, batch).min(steps) as u128;
        let bytes = 8 * batch as u128 * ((held + 1) * state + held * saved);
        line(format!(
            "  tape of the largest run (`{}`, hidden = {}): 8·B·((n+1)·S + n·R) = \
             8·{batch}·(({held}+1)·{state} + {held}·{saved}) = {} bytes ({}) for n steps held \
             at once, S rows of state and R of gates",
            spec.label,
            spec.cell.hidden(),
            in_digits(bytes),
            in_units(bytes)
        ));
    }
    print(&text)?;
    needs.check(jobs, available_memory())?;
    Ok(Status::Done)
}

/// `0.5, 0.9, 1.5`; of many values the first ones, how many follow, and the last.
fn listed(values: &[toml::Value]) -> String {
    const MOST: usize = 12;
    let mut listed: Vec<String> = Vec::new();
    match values {
        [first @ .., last] if values.len() > MOST => {
            let (first, others) = first.split_at(MOST - 2);
            listed.extend(first.iter().map(readable));
            listed.push(format!("… {} more …", others.len()));
            listed.push(readable(last));
        }
        _ => listed.extend(values.iter().map(readable)),
    }
    listed.join(", ")
}

/// `1 run`, `3 runs`.
fn count(number: usize, singular: &str) -> String {
    format!("{number} {singular}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_values_the_first_and_the_last_are_listed() {
        let values = |count: i64| -> Vec<toml::Value> { (1..=count).map(Into::into).collect() };
        assert_eq!(listed(&values(3)), "1, 2, 3");
        assert_eq!(listed(&values(12)), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12");
        assert_eq!(
            listed(&values(13)),
            "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, … 2 more …, 13"
        );
    }
}
