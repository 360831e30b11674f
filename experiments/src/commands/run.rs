//! `run`: the main job.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::analysis::{self, Analysis};
use crate::cli::{Format, RunArguments};
use crate::commands::plot::draw_into;
use crate::commands::{
    CommandError, Prepared, Status, jobs_or_cores, prepare, read_config, summary,
};
use crate::config::{Config, Recorded, difference};
use crate::plan::{Plan, PlannedRun, available_memory};
use crate::progress::Progress;
use crate::record::RunRecord;
use crate::sequences::InputArray;
use crate::store::{self, Clock, Failure, LockedFolder, Machine, ResultsFolder, Reuse, StoreError};
use crate::sweep::{Outcome, stored, sweep};

pub fn run(arguments: &RunArguments) -> Result<Status, CommandError> {
    let clock = Clock::start();
    let experiment = &arguments.experiment;
    let text = read_config(&experiment.config)?;
    let Prepared { plan, inputs } = prepare(&text, &experiment.config, &experiment.sets)?;
    let jobs = jobs_or_cores(arguments.jobs);
    plan.check_memory(jobs, available_memory())?;

    let path = arguments
        .out
        .clone()
        .unwrap_or_else(|| ResultsFolder::default_path(&plan.config.name));
    let stored_config = path.join(store::CONFIG).display().to_string();
    let differs = |stored: &str| match Config::load(stored, &stored_config, &[]) {
        Ok(stored) => difference(&stored.config, &plan.config),
        // Its place and what is wrong, without the excerpt.
        Err(error) => error.to_string().lines().next().map(str::to_owned),
    };
    let reuse = if arguments.fresh {
        Reuse::Nothing
    } else {
        Reuse::Unless(&differs)
    };
    let machine = Machine::this(kernels::kernel_path());
    // Before the run replaces it. One that cannot be read says nothing of where records are from.
    let earlier = ResultsFolder::open(&path).and_then(|folder| folder.manifest());
    let folder = LockedFolder::for_run(&path, &plan.config.to_toml(), reuse)?;
    let Computed { outcome, tables } = compute(&plan, inputs.as_ref(), &folder, jobs)?;
    if let (Ok(Some(earlier)), 1..) = (earlier, outcome.reused)
        && !earlier.is_of_this_build(&machine)
    {
        eprintln!(
            "note: the reused records are of another build or machine (version {}, commit {}, {}); \
             --fresh computes them again",
            earlier.version, earlier.commit, earlier.machine.kernel_path
        );
    }
    let Some(tables) = tables else {
        eprintln!(
            "stopped: {} of {} runs are finished and stored in {}. The same command {}resumes.",
            outcome.done + outcome.reused,
            plan.runs().count(),
            path.display(),
            if arguments.fresh {
                "without --fresh "
            } else {
                ""
            }
        );
        return Ok(Status::Interrupted);
    };
    let figures = if arguments.no_figures {
        Vec::new()
    } else {
        draw_into(&plan.config, &folder, &[Format::Svg, Format::Png])?
    };
    let manifest = clock.finish(
        machine,
        jobs,
        outcome.done,
        outcome.reused,
        outcome.failures.clone(),
    );
    folder.write_manifest(&manifest)?;

    print!("{}", summary::of_fits(&tables));
    println!(
        "{}: {} runs computed, {} reused, {} failed, {:.1} s",
        plan.config.name,
        outcome.done,
        outcome.reused,
        outcome.failures.len(),
        manifest.elapsed_seconds
    );
    println!("tables in {}", path.display());
    for figure in figures.iter().filter(|name| name.ends_with(".png")) {
        println!("figure {}", path.join(figure).display());
    }
    Ok(if outcome.failures.is_empty() {
        Status::Done
    } else {
        Status::Failed
    })
}

/// What [`compute`] has done.
pub struct Computed {
    /// What became of the runs.
    pub outcome: Outcome,
    /// The tables, as written; none if the user stopped the sweep.
    pub tables: Option<Analysis>,
}

/// Computes the runs that `folder` does not hold, and writes every table.
pub fn compute(
    plan: &Plan,
    inputs: Option<&InputArray>,
    folder: &LockedFolder,
    jobs: usize,
) -> Result<Computed, CommandError> {
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_ctrl_c(&stop)?;
    let progress = Progress::new();
    let outcome = sweep(plan, inputs, folder, jobs, &stop, &progress);
    progress.finish();
    let outcome = outcome?;
    if outcome.interrupted {
        return Ok(Computed {
            outcome,
            tables: None,
        });
    }
    // What the sweep has just stored or checked; failed runs have no record.
    let mut load = |run: &PlannedRun| stored(plan, &folder.folder, run).ok().flatten();
    let tables = write_tables(plan, folder, &outcome.failures, &mut load)?;
    if plan.config.record.gradients {
        folder.write_with("gradients.csv", |out| {
            analysis::write_gradients(plan, &mut load, out)
        })?;
    }
    Ok(Computed {
        outcome,
        tables: Some(tables),
    })
}

/// Analyses the records and writes every table that has something in it.
fn write_tables(
    plan: &Plan,
    folder: &LockedFolder,
    failures: &[Failure],
    load: &mut dyn FnMut(&PlannedRun) -> Option<RunRecord>,
) -> Result<Analysis, StoreError> {
    let tables = analysis::analyse(plan, load);
    for (name, text) in texts(plan, &tables, failures) {
        folder.write(name, text.as_bytes())?;
    }
    Ok(tables)
}

/// The CSV files of an experiment, by name: those required, those of what is recorded in a table
/// of its own, and those that are not empty.
pub fn texts(plan: &Plan, tables: &Analysis, failures: &[Failure]) -> Vec<(&'static str, String)> {
    let failure = |run: &PlannedRun| {
        let mut failures = failures.iter();
        failures
            .find(|failure| failure.run_id == run.id)
            .map(|failure| failure.reason.clone())
    };
    let mut texts = vec![
        ("runs.csv", analysis::runs(plan, &failure).to_csv()),
        ("curves.csv", tables.curves.to_csv()),
        ("fits.csv", tables.fits.to_csv()),
    ];
    let mut add = |name, left_out: bool, text: &dyn Fn() -> String| {
        if !left_out {
            texts.push((name, text()));
        }
    };
    add("laws.csv", tables.laws.rows.is_empty(), &|| {
        tables.laws.to_csv()
    });
    add("gates.csv", tables.gates.rows.is_empty(), &|| {
        tables.gates.to_csv()
    });
    add("series.csv", tables.series.rows.is_empty(), &|| {
        tables.series.to_csv()
    });
    add("parameters.csv", tables.parameters.rows.is_empty(), &|| {
        tables.parameters.to_csv()
    });
    // Their figures are drawn by default: a sweep whose runs all failed has them, with nothing in it.
    let recorded = |quantity| plan.config.record.quantities.contains(&quantity);
    let singular = recorded(Recorded::SingularValues);
    add("singular-values.csv", !singular, &|| {
        tables.singular_values.to_csv()
    });
    add("loss-state.csv", !recorded(Recorded::LossState), &|| {
        tables.loss_state.to_csv()
    });
    let by_unit = recorded(Recorded::UnitGradient);
    add("unit-gradients.csv", !by_unit, &|| {
        tables.unit_gradients.to_csv()
    });
    add("unit-quantiles.csv", !by_unit, &|| {
        tables.unit_quantiles.to_csv()
    });
    texts
}

/// The first Ctrl-C lets the runs in progress finish; a second one ends the process at once, which
/// loses nothing that is stored.
fn stop_on_ctrl_c(stop: &Arc<AtomicBool>) -> Result<(), ctrlc::Error> {
    let stop = Arc::clone(stop);
    ctrlc::set_handler(move || {
        if stop.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!("\nstopping after the runs in progress; Ctrl-C again to stop at once");
    })
}
