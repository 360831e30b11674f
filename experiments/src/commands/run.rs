//! `run`: the main job.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::analysis::{self, Analysis, TABLES};
use crate::cli::{Format, RunArguments};
use crate::commands::plot::draw_into;
use crate::commands::{
    CommandError, Prepared, Status, jobs_or_cores, prepare, print, read_config, summary,
};
use crate::config::{Config, Recorded, difference};
use crate::input_file::InputFiles;
use crate::plan::{GridPoint, Plan, PlannedRun};
use crate::progress::Progress;
use crate::record::RunRecord;
use crate::store::{
    self, Build, Clock, Failure, LockedFolder, Machine, Manifest, ResultsFolder, Reuse, StoreError,
    available_memory,
};
use crate::sweep::{Expectations, Outcome, Swept, in_order, sweep};
use crate::tables::{
    CurveRow, FitRow, LossStateRow, LyapunovMeanRow, LyapunovRow, LyapunovSummaryRow, Row, RunRow,
    SequenceRow, SingularValueRow, Table, UnitGradientRow, UnitQuantileRow,
};

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
    let earlier = earlier.ok().flatten();
    let folder = LockedFolder::for_run(&path, &plan.config.to_toml(), reuse)?;
    if let (Some(earlier), Reuse::Unless(_)) = (&earlier, reuse) {
        for file in inputs.differing(&earlier.inputs) {
            eprintln!(
                "note: {file} is not the file that the results in {} were computed from; its runs are \
                 computed again",
                path.display()
            );
        }
    }
    say_what_other_builds_left(&plan, &folder, &machine, earlier.as_ref())?;
    let stop = stop_on_ctrl_c(|| {})?;
    let Computed { outcome, fits } = compute(&plan, &inputs, &folder, jobs, &stop)?;
    let Some(fits) = fits else {
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
    let manifest = Manifest {
        inputs: inputs.sha256(),
        ..clock.finish(
            machine,
            jobs,
            outcome.done,
            outcome.reused,
            outcome.failures.clone(),
        )
    };
    folder.write_manifest(&manifest)?;

    let mut text = summary::of_fits(&fits);
    text.push_str(&summary::of_spectra(&fits));
    text.push_str(&format!(
        "{}: {} runs computed, {} reused, {} failed, {:.1} s\n",
        plan.config.name,
        outcome.done,
        outcome.reused,
        outcome.failures.len(),
        manifest.elapsed_seconds
    ));
    text.push_str(&format!("tables in {}\n", path.display()));
    for figure in figures.iter().filter(|name| name.ends_with(".png")) {
        text.push_str(&format!("figure {}\n", path.join(figure).display()));
    }
    print(&text)?;
    Ok(if outcome.failures.is_empty() {
        Status::Done
    } else {
        Status::Failed
    })
}

/// One line, if some of the runs that will be reused were computed by another build.
fn say_what_other_builds_left(
    plan: &Plan,
    folder: &LockedFolder,
    machine: &Machine,
    earlier: Option<&Manifest>,
) -> Result<(), StoreError> {
    let here = Build::this(machine);
    let others = folder.begin_build(&here, earlier.map(Build::of))?;
    let mut said = Vec::new();
    for other in others {
        let is_reused = |run: &&PlannedRun| other.run_ids.contains(&run.id);
        let difference = match &other.build {
            Some(build) => build.difference(&here),
            None => "unknown which".to_owned(),
        };
        match plan.runs().filter(is_reused).count() {
            0 => {}
            1 => said.push(format!(
                "1 run was computed by another build ({difference})"
            )),
            n => said.push(format!(
                "{n} runs were computed by another build ({difference})"
            )),
        }
    }
    if !said.is_empty() {
        eprintln!(
            "note: {}; --fresh computes all of them again",
            said.join(", ")
        );
    }
    Ok(())
}

/// What [`compute`] has done.
pub struct Computed {
    /// What became of the runs.
    pub outcome: Outcome,
    /// The fits, as written; none if the user stopped the sweep.
    pub fits: Option<Fits>,
}

/// The fits of an experiment.
pub struct Fits {
    /// All of them, in the order of the plan.
    pub table: Table<FitRow>,
    /// The replicates of each grid point. A fit is over fewer where runs have failed, or a gradient is
    /// exactly zero.
    pub replicates: usize,
    /// Those that one line describes badly.
    pub two_regimes: Vec<FitRow>,
    /// The largest Lyapunov exponent of each grid point.
    pub largest_exponents: Vec<LyapunovRow>,
    /// What the whole spectra say.
    pub spectra: Vec<LyapunovSummaryRow>,
}

/// What is kept of a grid point.
struct Concluded {
    /// Of every table, its lines.
    lines: [String; TABLES],
    fits: Vec<FitRow>,
    two_regimes: Vec<FitRow>,
    largest_exponents: Vec<LyapunovRow>,
    spectra: Vec<LyapunovSummaryRow>,
}

/// Computes the runs that `folder` does not hold, until `stop` is set, and writes every table.
pub fn compute(
    plan: &Plan,
    inputs: &InputFiles,
    folder: &LockedFolder,
    jobs: usize,
    stop: &AtomicBool,
) -> Result<Computed, CommandError> {
    let progress = Progress::new();
    let conclude = |point: &GridPoint, records: &[(usize, &RunRecord)]| {
        let mut analysis = analysis::analyse(&plan.config, point, records);
        Concluded {
            lines: analysis.take_lines(),
            fits: analysis.fits.rows,
            two_regimes: analysis.two_regimes,
            // A point's first row is that of λ_1.
            largest_exponents: analysis.lyapunov.rows.into_iter().take(1).collect(),
            spectra: analysis.lyapunov_summaries.rows,
        }
    };
    let swept = sweep(plan, inputs, folder, jobs, stop, &progress, conclude);
    progress.finish();
    let Swept { outcome, points } = swept?;
    let Some(points) = points else {
        return Ok(Computed {
            outcome,
            fits: None,
        });
    };
    write_tables(plan, folder, jobs, &outcome.failures, &points)?;
    if plan.config.record.gradients {
        write_gradients(plan, folder, &outcome.failures)?;
    }
    let mut fits = Fits {
        table: Analysis::new(&plan.config).fits,
        replicates: plan.config.replicates,
        two_regimes: Vec::new(),
        largest_exponents: Vec::new(),
        spectra: Vec::new(),
    };
    for point in points {
        fits.table.rows.extend(point.fits);
        fits.two_regimes.extend(point.two_regimes);
        fits.largest_exponents.extend(point.largest_exponents);
        fits.spectra.extend(point.spectra);
    }
    Ok(Computed {
        outcome,
        fits: Some(fits),
    })
}

/// Writes the tables that are always there and those that have a row, `jobs` at a time: most of that is
/// waiting for the disk.
fn write_tables(
    plan: &Plan,
    folder: &LockedFolder,
    jobs: usize,
    failures: &[Failure],
    points: &[Concluded],
) -> Result<(), StoreError> {
    let reasons = failures
        .iter()
        .map(|f| (f.run_id.as_str(), f.reason.as_str()));
    let reasons: HashMap<&str, &str> = reasons.collect();
    let failure = |run: &PlannedRun| {
        reasons
            .get(run.id.as_str())
            .map(|&reason| reason.to_owned())
    };
    let runs = [analysis::runs(plan, &failure).to_csv()];
    let recorded = |quantity| plan.config.record.quantities.contains(&quantity);
    // Of each table, its name and its text in pieces.
    let mut tables: Vec<(&str, Vec<&String>)> = vec![(RunRow::FILE, runs.iter().collect())];
    let headers = Analysis::new(&plan.config).headers();
    for (index, (name, header)) in headers.iter().enumerate() {
        let is_required = match *name {
            CurveRow::FILE | FitRow::FILE => true,
            // Their figures are drawn by default: a sweep whose runs all failed has them, with
            // nothing in it.
            SingularValueRow::FILE => recorded(Recorded::SingularValues),
            LyapunovRow::FILE | LyapunovMeanRow::FILE | LyapunovSummaryRow::FILE => {
                recorded(Recorded::Lyapunov)
            }
            LossStateRow::FILE => recorded(Recorded::LossState),
            SequenceRow::FILE => recorded(Recorded::SequenceGradient),
            UnitGradientRow::FILE | UnitQuantileRow::FILE => recorded(Recorded::UnitGradient),
            _ => false,
        };
        let lines = points.iter().map(|point| &point.lines[index]);
        if is_required || lines.clone().any(|lines| !lines.is_empty()) {
            tables.push((name, std::iter::once(header).chain(lines).collect()));
        }
    }
    let write = |(name, pieces): &(&str, Vec<&String>)| {
        folder.write_with(name, |out| {
            let mut pieces = pieces.iter();
            pieces.try_for_each(|piece| out.write_all(piece.as_bytes()))
        })
    };
    in_order(jobs, &tables, write).into_iter().collect()
}

/// Writes `gradients.csv` from the records: of all runs but those that have failed.
fn write_gradients(
    plan: &Plan,
    folder: &LockedFolder,
    failures: &[Failure],
) -> Result<(), StoreError> {
    let failed: BTreeSet<&str> = failures.iter().map(|f| f.run_id.as_str()).collect();
    let expectations = Expectations::new(plan);
    let mut unreadable = None;
    let written = folder.write_with(store::GRADIENTS, |out| {
        let mut load = |point: usize, run: &PlannedRun| {
            if failed.contains(run.id.as_str()) || unreadable.is_some() {
                return None;
            }
            let record = expectations.stored_before(&folder.folder, point, run);
            record.map_err(|error| unreadable = Some(error)).ok()
        };
        analysis::write_gradients(plan, &mut load, out)?;
        match unreadable {
            // No table is better than one that lacks a run.
            Some(_) => Err(io::Error::other("a record cannot be read")),
            None => Ok(()),
        }
    });
    unreadable.map_or(written, Err)
}

/// What is set by the first Ctrl-C, which lets the runs in progress finish. A second one ends the process
/// at once, after `clear_away`; that loses nothing that is stored to stay.
pub fn stop_on_ctrl_c(
    clear_away: impl Fn() + Send + 'static,
) -> Result<Arc<AtomicBool>, ctrlc::Error> {
    let stop = Arc::new(AtomicBool::new(false));
    let is_set = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if is_set.swap(true, Ordering::Relaxed) {
            clear_away();
            std::process::exit(130);
        }
        eprintln!("\nstopping after the runs in progress; Ctrl-C again to stop at once");
    })?;
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Worker;

    #[test]
    fn gradients_lack_no_run_but_those_that_have_failed() {
        let text = "name = \"two\"\nreplicates = 2\nsequence.steps = 3\nrecord.gradients = true\n\
                    [[cell]]\nkind = \"lstm\"\nhidden = 2\n";
        let loaded = Config::load(text, "test.toml", &[]).unwrap();
        let plan = Plan::new(&loaded, &InputFiles::default());
        let scratch = store::Scratch::new().unwrap();
        let config = plan.config.to_toml();
        let folder = LockedFolder::for_run(scratch.path(), &config, Reuse::Nothing).unwrap();
        let [stored, missing] = plan.points[0].runs.as_slice() else {
            panic!("two replicates")
        };
        let record =
            Worker::default().execute(&stored.spec, &plan.config.record, plan.config.memory, None);
        folder.write_record(&stored.id, &record.unwrap()).unwrap();

        let error = write_gradients(&plan, &folder, &[])
            .unwrap_err()
            .to_string();
        assert!(error.contains(&store::record_name(&missing.id)), "{error}");
        assert_eq!(folder.folder.text(store::GRADIENTS).unwrap(), None);

        let failure = Failure {
            run_id: missing.id.clone(),
            reason: "overflow".to_owned(),
        };
        write_gradients(&plan, &folder, &[failure]).unwrap();
        let gradients = folder.folder.text(store::GRADIENTS).unwrap().unwrap();
        assert!(gradients.contains(&stored.id) && !gradients.contains(&missing.id));
    }
}
