//! `reproduce`: what the literature claims, checked.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::claims::{self, Check, Claim, Found};
use crate::cli::{Format, ReproduceArguments};
use crate::commands::plot::draw_claim_into;
use crate::commands::run::stop_on_ctrl_c;
use crate::commands::{CommandError, Status, aligned, jobs_or_cores, print};
use crate::nearest::nearest;
use crate::store::{self, Clock, LockedFolder, StoreError};
use crate::sweep;
use crate::tables::{CheckRow, ClaimRow, Row, Table};

pub fn reproduce(arguments: &ReproduceArguments) -> Result<Status, CommandError> {
    let chosen = chosen(&arguments.claims)?;
    if arguments.list {
        return list(&chosen);
    }
    let folder = LockedFolder::for_claims(&arguments.out)?;
    let stored = Stored::read(&folder)?;

    let stop = stop_on_ctrl_c(|| {})?;
    let found = check(&chosen, jobs_or_cores(arguments.jobs), &stop);
    let verdicts: Vec<ClaimRow> = found
        .iter()
        .map(|(claim, found)| claims::claim_row(claim, found))
        .collect();
    store(&found, &verdicts, stored, &folder, !arguments.no_figures)?;

    let passed = verdicts.iter().filter(|row| row.status == "pass").count();
    let mut text = String::new();
    for (row, (_, found)) in verdicts.iter().zip(&found) {
        if row.status == "pass" {
            continue;
        }
        text.push_str(&format!("{}  {}", row.status, row.id));
        if !row.reason.is_empty() {
            text.push_str(&format!(": {}", row.reason));
        }
        text.push('\n');
        for check in failing(found) {
            text.push_str(&format!("      {}\n", in_one_line(check)));
        }
    }
    text.push_str(&format!("{passed} of {} claims hold\n", verdicts.len()));
    text.push_str(&format!(
        "verdicts in {}\n",
        arguments.out.join(store::PAGE).display()
    ));
    print(&text)?;
    Ok(if found.len() < chosen.len() {
        Status::Interrupted
    } else if passed < verdicts.len() {
        Status::Failed
    } else {
        Status::Done
    })
}

/// The claims with these ids, all if there are none, in the order of the tables.
fn chosen(ids: &[String]) -> Result<Vec<&'static Claim>, CommandError> {
    for id in ids {
        if claims::find(id).is_none() {
            let known: Vec<&str> = claims::ALL.iter().map(|claim| claim.id).collect();
            let nearest = nearest(id, &known)
                .map_or_else(String::new, |nearest| format!("did you mean `{nearest}`? "));
            return Err(CommandError::Usage(format!(
                "there is no claim `{id}`\nhelp: {nearest}`vangrad reproduce --list` shows all of them"
            )));
        }
    }
    let is_chosen = |claim: &&Claim| ids.is_empty() || ids.iter().any(|id| id == claim.id);
    Ok(claims::ALL.iter().filter(is_chosen).collect())
}

fn list(chosen: &[&Claim]) -> Result<Status, CommandError> {
    let lines = chosen.iter().map(|claim| {
        vec![
            claim.id.to_owned(),
            format!("{} s", claim.cost_seconds),
            claim.scale.name().to_owned(),
            format!("{} [{}]", claim.statement, claim.source),
        ]
    });
    print(&aligned(&lines.collect::<Vec<_>>()))
}

/// Checks the claims, `jobs` at a time, until `stop` is set. Returns those that were, in order.
fn check<'a>(chosen: &[&'a Claim], jobs: usize, stop: &AtomicBool) -> Vec<(&'a Claim, Found)> {
    let mut order: Vec<usize> = (0..chosen.len()).collect();
    // Long ones first, so that no thread is left with one at the end.
    order.sort_by(|a, b| chosen[*b].cost_seconds.total_cmp(&chosen[*a].cost_seconds));
    let next = AtomicUsize::new(0);
    let workers: Vec<usize> = (0..jobs.min(chosen.len()).max(1)).collect();
    let found = sweep::in_order(workers.len(), &workers, |_| {
        let mut found = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(&index) = order.get(place) else {
                break;
            };
            let claim = chosen[index];
            let clock = Clock::start();
            let verdict = claims::judge(claim);
            say(claim, &verdict, clock.elapsed_seconds());
            found.push((index, verdict));
        }
        found
    });
    let mut found: Vec<(usize, Found)> = found.into_iter().flatten().collect();
    found.sort_by_key(|(index, _)| *index);
    found
        .into_iter()
        .map(|(index, found)| (chosen[index], found))
        .collect()
}

/// One claim is done: a line on standard error, so that standard output holds the result alone.
fn say(claim: &Claim, found: &Found, seconds: f64) {
    let status = claims::claim_row(claim, found).status;
    eprintln!(
        "{status:5} {:28} {seconds:6.1} s  {}",
        claim.id,
        in_brief(found)
    );
}

/// How many checks there are, and one of them: the first that fails, or else the first.
fn in_brief(found: &Found) -> String {
    let evidence = match found {
        Ok(evidence) => evidence,
        Err(reason) => return reason.clone(),
    };
    let checks = &evidence.checks;
    match (failing(found).first(), checks.as_slice()) {
        (None, []) => "no check".to_owned(),
        (_, [only]) => in_one_line(only),
        (None, [first, ..]) => {
            format!("all {} checks; first {}", checks.len(), in_one_line(first))
        }
        (Some(check), _) => {
            let fail = match failing(found).len() {
                1 => "1 fails".to_owned(),
                n => format!("{n} fail, first"),
            };
            format!("of {} checks {fail}: {}", checks.len(), in_one_line(check))
        }
    }
}

fn failing(found: &Found) -> Vec<&Check> {
    let checks = found.as_ref().map_or(&[][..], |found| &found.checks);
    checks.iter().filter(|check| !check.passes()).collect()
}

fn in_one_line(check: &Check) -> String {
    let (measured, expected) = (shortened(check.measured), check.expected);
    format!("{}: {measured} (expected {expected})", check.what)
}

fn shortened(value: f64) -> String {
    if value == 0.0 || (1e-3..1e6).contains(&value.abs()) {
        format!("{value:.6}")
    } else {
        format!("{value:.4e}")
    }
}

/// What earlier calls have left.
struct Stored {
    claims: Vec<ClaimRow>,
    checks: Vec<CheckRow>,
}

impl Stored {
    fn read(folder: &LockedFolder) -> Result<Self, CommandError> {
        Ok(Self {
            claims: rows(folder)?,
            checks: rows(folder)?,
        })
    }
}

fn rows<R: Row>(folder: &LockedFolder) -> Result<Vec<R>, CommandError> {
    let Some(text) = folder.folder.text(R::FILE)? else {
        return Ok(Vec::new());
    };
    let table = Table::from_csv(&text).map_err(|problem| {
        CommandError::Usage(format!(
            "{}: {problem}; remove the file, and `vangrad reproduce` writes it anew",
            folder.folder.path().display()
        ))
    })?;
    Ok(table.rows)
}

/// Writes the verdicts, those of claims that were not checked now as they were.
fn store(
    found: &[(&Claim, Found)],
    verdicts: &[ClaimRow],
    stored: Stored,
    folder: &LockedFolder,
    with_figures: bool,
) -> Result<(), CommandError> {
    let is_new: BTreeSet<&str> = found.iter().map(|(claim, _)| claim.id).collect();
    let place = |id: &str| claims::ALL.iter().position(|claim| claim.id == id);
    // Claims that this version does not know any more are dropped.
    let is_kept = |id: &str| !is_new.contains(id) && place(id).is_some();
    let mut claim_rows = stored.claims;
    claim_rows.retain(|row| is_kept(&row.id));
    claim_rows.extend_from_slice(verdicts);
    claim_rows.sort_by_key(|row| place(&row.id));
    let mut check_rows = stored.checks;
    check_rows.retain(|row| is_kept(&row.id));
    let new_checks = found.iter();
    check_rows.extend(new_checks.flat_map(|(claim, found)| claims::check_rows(claim, found)));
    check_rows.sort_by_key(|row| place(&row.id));

    for (claim, found) in found {
        let plot = found.as_ref().ok().and_then(|found| found.plot.as_ref());
        let name = store::plot_name(claim.id);
        for extension in store::FIGURE_EXTENSIONS {
            folder.remove(&store::figure_name(claim.id, extension))?;
        }
        match plot {
            Some(plot) => folder.write(&name, plot.to_json().as_bytes())?,
            None => folder.remove(&name)?,
        }
        if with_figures {
            draw_claim_into(folder, claim.id, &[Format::Svg, Format::Png])?;
        }
    }
    let with_plots = folder.folder.claims_with_plots()?;
    let has_figure = |id: &str| with_plots.iter().any(|with_plot| with_plot == id);
    let page = claims::page(&claim_rows, &check_rows, &has_figure);
    write(folder, check_rows)?;
    folder.write(store::PAGE, page.as_bytes())?;
    write(folder, claim_rows)?;
    Ok(folder.sync()?)
}

fn write<R: Row>(folder: &LockedFolder, rows: Vec<R>) -> Result<(), StoreError> {
    let table = Table {
        factors: Vec::new(),
        rows,
    };
    folder.write(R::FILE, table.to_csv().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::Evidence;

    #[test]
    fn a_claim_in_brief_counts_its_checks_and_shows_the_one_that_fails() {
        let good = || Check::at_most("error", 0.25, 1.0);
        let bad = |what: &str| Check::at_least(what, 0.25, 1.0);
        let brief = |checks: Vec<Check>| in_brief(&Ok(Evidence::of(checks, 0)));
        assert_eq!(brief(vec![good()]), "error: 0.250000 (expected ≤ 1)");
        assert_eq!(
            brief(vec![good(), good()]),
            "all 2 checks; first error: 0.250000 (expected ≤ 1)"
        );
        assert_eq!(
            brief(vec![good(), bad("gain"), good()]),
            "of 3 checks 1 fails: gain: 0.250000 (expected ≥ 1)"
        );
        assert_eq!(
            brief(vec![good(), bad("gain"), bad("slope")]),
            "of 3 checks 2 fail, first: gain: 0.250000 (expected ≥ 1)"
        );
        assert_eq!(brief(vec![]), "no check");
        assert_eq!(in_brief(&Err("it panicked".to_owned())), "it panicked");
    }
}
