//! `verify`: compute a results folder again and compare it with what is stored.
//!
//! The experiment is run into a scratch folder by the very code that `run` uses, and the two
//! folders are compared: records where there are any, tables, and figures. Of a sweep that has not
//! finished there are records alone, and only the runs that have one are computed.

use std::collections::BTreeSet;
use std::path::Path;

use crate::cli::Format;
use crate::commands::run::{self, Computed};
use crate::commands::{CommandError, Prepared, Status, jobs_or_cores, plot, prepare, print};
use crate::comparison::{self, Due};
use crate::input_file::InputFiles;
use crate::plan::{GridPoint, Plan, PlannedRun};
use crate::store::{
    self, LockedFolder, Machine, Manifest, ResultsFolder, Reuse, StoreError, available_memory,
};
use crate::sweep::{Expectations, in_order};
use crate::tables::{CurveRow, FitRow, Row, RunRow};

pub fn verify(results: &Path, jobs: Option<usize>) -> Result<Status, CommandError> {
    let stored = ResultsFolder::open(results)?;
    let file = results.join(store::CONFIG);
    let text = stored.config()?;
    let Prepared { plan, inputs } = prepare(&text, &file, &[])?;
    let manifest = stored.manifest()?;
    let mut report = Report::default();
    let replaced = replaced_inputs(&plan, &inputs, manifest.as_ref(), &stored)?;
    if !replaced.is_empty() {
        for path in replaced {
            report.difference(
                path,
                "not the file these results were computed from".to_owned(),
            );
        }
        report.note(
            "nothing was compared: bring the file back, or `vangrad run` computes the results of this one"
                .to_owned(),
        );
        let (text, status) = report.conclude(results);
        print(&text)?;
        return Ok(status);
    }
    let tables = [RunRow::FILE, CurveRow::FILE, FitRow::FILE];
    let is_unfinished = manifest.is_none() && !tables.iter().all(|name| stored.has(name));
    let all = plan.runs().count();
    let plan = match is_unfinished {
        true => plan.only(|run| stored.has_record(&run.id)),
        false => plan,
    };
    let jobs = jobs_or_cores(jobs);
    let needs = plan.needs().with_comparison();
    needs.check(jobs, available_memory())?;

    let scratch = store::Scratch::new()?;
    let config = plan.config.to_toml();
    let recomputed = LockedFolder::for_run(scratch.path(), &config, Reuse::Nothing)?;
    let stop = run::stop_on_ctrl_c(scratch.remover())?;
    let Computed { outcome, fits } = run::compute(&plan, &inputs, &recomputed, jobs, &stop)?;
    let Some(fits) = fits else {
        eprintln!("stopped: nothing was compared");
        return Ok(Status::Interrupted);
    };

    let machine = Machine::this(kernels::kernel_path());
    if !is_unfinished {
        describe_origin(manifest.as_ref(), &machine, &mut report);
    }
    let due = if manifest.is_none_or(|manifest| manifest.machine.computes_like(&machine)) {
        Due::Bits
    } else {
        let rows = fits.table.rows.iter();
        let unjudged = rows.filter(|row| row.verdict == "explodes").map(|row| {
            let cell = std::iter::once(row.key.cell.clone());
            cell.chain(row.key.factors.iter().cloned()).collect()
        });
        Due::Tolerance {
            unjudged: unjudged.collect(),
        }
    };
    if text != config {
        report.difference("config.toml", "not as `run` writes it".to_owned());
    }
    let failed: BTreeSet<&str> = outcome.failures.iter().map(|f| f.run_id.as_str()).collect();
    compare_records(
        &plan,
        &failed,
        [&stored, &recomputed.folder],
        &due,
        jobs,
        &mut report,
    )?;
    if is_unfinished {
        report.unfinished = Some((plan.runs().count(), all));
    } else {
        compare_tables(&plan, &stored, &recomputed.folder, &due, &mut report)?;
        compare_figures(&plan, &stored, &due, &mut report)?;
    }
    let (text, status) = report.conclude(results);
    print(&text)?;
    Ok(status)
}

/// The files of inputs, by path, that are not those the results were computed from. Where no manifest
/// tells, none is unless no stored run is one of the plan's, which names the contents of its inputs.
fn replaced_inputs<'a>(
    plan: &Plan,
    inputs: &'a InputFiles,
    manifest: Option<&Manifest>,
    stored: &ResultsFolder,
) -> Result<Vec<&'a str>, StoreError> {
    if let Some(manifest) = manifest.filter(|manifest| !manifest.inputs.is_empty()) {
        return Ok(inputs.differing(&manifest.inputs));
    }
    let mut ids = stored.recorded()?;
    let runs = stored.bytes(RunRow::FILE)?.unwrap_or_default();
    let lines = String::from_utf8_lossy(&runs);
    let first = |line: &str| line.split(',').next().map(str::to_owned);
    ids.extend(lines.lines().skip(1).filter_map(first));
    let is_other = !ids.is_empty() && !plan.runs().any(|run| ids.contains(&run.id));
    let paths = inputs.0.keys().filter(|_| is_other);
    Ok(paths.map(String::as_str).collect())
}

/// What is said at the end.
#[derive(Default)]
struct Report {
    lines: Vec<String>,
    differences: usize,
    /// Of a sweep that has not finished: how many of its runs are stored, and how many there are.
    unfinished: Option<(usize, usize)>,
}

impl Report {
    fn note(&mut self, line: String) {
        self.lines.push(line);
    }

    fn difference(&mut self, what: &str, how: String) {
        self.differences += 1;
        self.lines.push(format!("DIFFERS  {what}: {how}"));
    }

    /// What to print, and how the command ends.
    fn conclude(mut self, results: &Path) -> (String, Status) {
        let results = results.display();
        let (conclusion, status) = match self.differences {
            0 => (format!("{results} holds"), Status::Done),
            1 => (
                format!("{results} does not hold: 1 differs"),
                Status::Failed,
            ),
            differences => (
                format!("{results} does not hold: {differences} differ"),
                Status::Failed,
            ),
        };
        self.note(match (self.unfinished, self.differences) {
            (None, _) => conclusion,
            (Some((0, all)), _) => {
                format!("{results} is unfinished: 0 of {all} runs; `vangrad run` resumes")
            }
            (Some((stored, all)), 0) => format!(
                "{results} is unfinished: {stored} of {all} runs, all agree; `vangrad run` resumes"
            ),
            (Some((stored, all)), _) => {
                format!("{conclusion}, of {stored} runs; unfinished, {all} are planned")
            }
        });
        (self.lines.join("\n") + "\n", status)
    }
}

/// With what the results were made, as far as that can change bits.
fn describe_origin(manifest: Option<&Manifest>, machine: &Machine, report: &mut Report) {
    let Some(manifest) = manifest else {
        report.note("no manifest: the run that made this folder has not finished".to_owned());
        return;
    };
    if !manifest.machine.computes_like(machine) {
        report.note(format!(
            "made on another kind of machine ({}; here {}): numbers may differ in their last bits \
             and are compared within 1e-9; grid points whose gradient explodes are not judged",
            manifest.machine.kernel_path, machine.kernel_path
        ));
    }
}

/// What became of a stored record.
enum Found {
    Agrees,
    /// There is none, and the run now fails.
    Failed,
    NotStored,
    NotJudged,
    /// The name of its file, and how.
    Differs(String, String),
}

/// Record by record, as far as they are stored; those of `jobs` grid points at a time.
fn compare_records(
    plan: &Plan,
    failed: &BTreeSet<&str>,
    [stored, recomputed]: [&ResultsFolder; 2],
    due: &Due,
    jobs: usize,
    report: &mut Report,
) -> Result<(), CommandError> {
    let expectations = Expectations::new(plan);
    let compare = |point: usize, key: &[String], run: &PlannedRun| {
        let name = store::record_name(&run.id);
        let differs = |how: String| Ok(Found::Differs(name.clone(), how));
        let read = |folder| expectations.stored(folder, point, run);
        let now = read(recomputed)?;
        // One record is held, where they agree.
        if let (Due::Bits, Some(now)) = (due, &now)
            && stored.holds_exactly(&run.id, now)?
        {
            return Ok(Found::Agrees);
        }
        let before = match read(stored) {
            Err(StoreError::BadRecord { problem, .. }) => return differs(problem.to_string()),
            before => before?,
        };
        let (before, now) = match (before, now) {
            (None, _) if failed.contains(run.id.as_str()) => return Ok(Found::Failed),
            (None, _) => return Ok(Found::NotStored),
            (Some(_), None) => return differs("stored, but the run now fails".to_owned()),
            (Some(before), Some(now)) => (before, now),
        };
        if matches!(due, Due::Tolerance { unjudged } if unjudged.contains(key)) {
            return Ok(Found::NotJudged);
        }
        let mut names: BTreeSet<&String> = before.arrays.keys().collect();
        names.extend(now.arrays.keys());
        let difference = names.into_iter().find_map(|name| {
            let [a, b] = [&before, &now].map(|record| record.arrays.get(name));
            match (a, b) {
                (Some(a), Some(b)) if a.shape == b.shape => {
                    comparison::arrays(name, &a.values, &b.values, due)
                }
                (Some(_), Some(_)) => Some(format!("array `{name}`: another shape")),
                _ => Some(format!("array `{name}`: only in one of the two")),
            }
        });
        match (difference, due) {
            (Some(difference), _) => differs(difference),
            (None, Due::Bits) => differs("its header has other bytes".to_owned()),
            (None, Due::Tolerance { .. }) => Ok(Found::Agrees),
        }
    };
    let points: Vec<(usize, &GridPoint)> = plan.points.iter().enumerate().collect();
    let of_points = in_order(jobs, &points, |(index, point)| {
        let cell = std::iter::once(point.key.cell.clone());
        let key: Vec<String> = cell.chain(point.key.factors.iter().cloned()).collect();
        let runs = point.runs.iter().map(|run| compare(*index, &key, run));
        runs.collect::<Result<Vec<Found>, StoreError>>()
    });
    let (mut agreeing, mut missing, mut unjudged) = (0, 0, 0);
    for of_point in of_points {
        for found in of_point? {
            match found {
                Found::Agrees => agreeing += 1,
                Found::Failed => {}
                Found::NotStored => missing += 1,
                Found::NotJudged => unjudged += 1,
                Found::Differs(name, how) => report.difference(&name, how),
            }
        }
    }
    report.note(match (agreeing, missing) {
        (0, missing) if missing > 0 && report.differences == 0 && unjudged == 0 => {
            "no raw records stored: comparing the tables".to_owned()
        }
        _ => format!(
            "records: {agreeing} agree{}{}",
            counted(unjudged, "not judged"),
            counted(missing, "not stored")
        ),
    });
    Ok(())
}

fn counted(number: usize, what: &str) -> String {
    match number {
        0 => String::new(),
        number => format!(", {number} {what}"),
    }
}

/// Every table that is stored or should be.
fn compare_tables(
    plan: &Plan,
    stored: &ResultsFolder,
    recomputed: &ResultsFolder,
    due: &Due,
    report: &mut Report,
) -> Result<(), CommandError> {
    let key: Vec<&str> = std::iter::once("cell")
        .chain(plan.config.sweep.iter().map(|axis| axis.key.as_str()))
        .collect();
    let mut names = stored.files()?;
    names.append(&mut recomputed.files()?);
    for name in names.iter().filter(|name| name.ends_with(".csv")) {
        match (stored.bytes(name)?, recomputed.text(name)?) {
            (Some(before), Some(now)) => {
                // What is no text any more differs where that shows.
                let before = String::from_utf8_lossy(&before);
                let finding = comparison::tables(&before, &now, due, &key);
                match finding.difference {
                    Some(difference) => report.difference(name, difference),
                    None => report.note(format!(
                        "{name}: {} rows agree{}",
                        finding.agreeing,
                        counted(finding.unjudged, "not judged")
                    )),
                }
            }
            (None, _) => report.difference(name, "not stored".to_owned()),
            (_, None) => report.difference(name, "no such table is computed".to_owned()),
        }
    }
    Ok(())
}

/// Every stored figure, against the one drawn from the stored tables.
fn compare_figures(
    plan: &Plan,
    stored: &ResultsFolder,
    due: &Due,
    report: &mut Report,
) -> Result<(), CommandError> {
    let drawn = match plot::drawn_from(&plan.config, stored) {
        Ok(drawn) => drawn,
        Err(error) => {
            report.difference("figures", error.to_string());
            return Ok(());
        }
    };
    // Pixels are drawn with f32 arithmetic, which is another matter on another machine.
    let formats: &[Format] = match due {
        Due::Bits => &[Format::Svg, Format::Png, Format::Pdf],
        Due::Tolerance { .. } => &[Format::Svg],
    };
    let (mut agreeing, mut missing) = (0, 0);
    for figure in &drawn {
        for format in formats {
            let (name, bytes) = format.file(figure);
            match stored.bytes(&name)? {
                // Only who asks for one has it.
                None if *format == Format::Pdf => {}
                None => missing += 1,
                Some(before) if before == bytes => agreeing += 1,
                Some(_) => report.difference(
                    &name,
                    "not what `vangrad plot` draws from the stored tables".to_owned(),
                ),
            }
        }
    }
    report.note(format!(
        "figures: {agreeing} agree{}",
        counted(missing, "not stored")
    ));
    Ok(())
}
