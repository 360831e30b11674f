//! `plan`: what `run` would do.

use crate::cli::Experiment;
use crate::commands::{CommandError, Status, jobs_or_cores, prepare, read_config};
use crate::plan::available_memory;

pub fn plan(experiment: &Experiment) -> Result<Status, CommandError> {
    let text = read_config(&experiment.config)?;
    let plan = prepare(&text, &experiment.config, &experiment.sets)?.plan;
    let config = &plan.config;
    let runs = plan.runs().count();
    println!(
        "{}: {} grid points × {} replicates = {runs} runs",
        config.name,
        plan.points.len(),
        config.replicates
    );
    for cell in &config.cells {
        let points = plan
            .points
            .iter()
            .filter(|point| point.key.cell == cell.label)
            .count();
        println!("  {}: {points} grid points", cell.label);
    }
    for axis in &config.sweep {
        let values: Vec<String> = axis.values.iter().map(ToString::to_string).collect();
        println!("  {} = [{}]", axis.key, values.join(", "));
    }
    println!(
        "  T = {} steps, B = {} sequences",
        config.sequence.steps, config.sequence.batch
    );
    println!("  work: about {:.3} GFLOP", plan.flops() as f64 / 1e9);
    let jobs = jobs_or_cores(None).min(runs);
    println!(
        "  memory: at most {} for {jobs} runs at a time; a run's tape takes 8·B·((T+1)·S + T·R) \
         bytes, S state rows and R saved rows",
        plan.memory_at_once(jobs)
    );
    plan.check_memory(jobs, available_memory())?;
    Ok(Status::Done)
}
