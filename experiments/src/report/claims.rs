//! The report of the claims of the literature.

use super::content::{Block, Column, Report, Section, Table, Text};
use super::numbers::field;
use super::parts::VANGRAD;
use super::{Folder, ReportError};
use crate::claims::{self, Scale};
use crate::tables::NamedTable;

const REPRODUCE: &str = "vangrad reproduce";
const CLAIMS: &str = "claims.csv";
const CHECKS: &str = "checks.csv";
/// More digits than a rate has: a claim may be about the tenth.
const DIGITS: usize = 6;

/// The report of a folder that `reproduce` has made, from its files.
///
/// # Errors
///
/// If a file is missing or is not what it should be.
pub fn of_claims(folder: &Folder) -> Result<Report, ReportError> {
    let claims = folder.required(CLAIMS, REPRODUCE)?;
    let checks = folder.required(CHECKS, REPRODUCE)?;
    let (id, status) = (claims.column("id")?, claims.column("status")?);
    let passed = claims
        .rows
        .iter()
        .filter(|row| row[status] == "pass")
        .count();
    let mut each = Vec::new();
    for row in &claims.rows {
        each.extend(claim(row, &claims, &checks, folder)?);
    }
    let statement = |id: &str| claims::find(id).map_or("", |claim| claim.statement);
    let overview = columns(
        &claims,
        &[
            "status",
            "expected",
            "measured",
            "uncertainty",
            "seeds",
            "scale",
        ],
    )?;
    let rows = claims.rows.iter().map(|row| {
        let mut shown = vec![row[id].clone(), statement(&row[id]).to_owned()];
        shown.extend(overview.iter().map(|&column| field(&row[column], DIGITS)));
        shown
    });
    let mut headings = ["claim", "what is claimed", "verdict", "expected"]
        .map(Column::words)
        .to_vec();
    headings.extend(["measured", "standard error", "seeds"].map(Column::numbers));
    headings.push(Column::words("scale"));
    let verdicts = Table {
        caption: "Every claim, with the check that decides".to_owned(),
        columns: headings,
        rows: rows.collect(),
        row_headers: 1,
        source: Text::default().file(CLAIMS).and(
            ": of several checks the first that fails, or else the first. The verdict follows from the numbers alone.",
        ),
    };
    let mut blocks = vec![Block::Table(verdicts)];
    if passed < claims.rows.len() {
        let failing = claims.rows.iter().filter(|row| row[status] != "pass");
        let reason = claims.column("reason")?;
        let items = failing.map(|row| {
            let because = match row[reason].as_str() {
                "" => "no reason is given",
                reason => reason,
            };
            Text::new(&format!("`{}` ({}): {because}", row[id], row[status]))
        });
        blocks.insert(
            0,
            Block::Paragraph(Text::new("Those that do not hold, and why:")),
        );
        blocks.insert(1, Block::List(items.collect()));
    }
    let sections = vec![
        Section {
            id: "verdicts",
            heading: "Verdicts".to_owned(),
            blocks,
        },
        Section {
            id: "claims",
            heading: "Claim by claim".to_owned(),
            blocks: each,
        },
        reproduce(
            claims.rows.first().map_or("ID", |row| row[id].as_str()),
            folder,
        ),
    ];
    Ok(Report {
        kind: "Claims of the literature".to_owned(),
        title: format!("{passed} of {} claims hold", claims.rows.len()),
        lead: vec![Text::new(
            "What has been published about gradients in recurrent networks, or follows exactly, each with a check that \
             a machine can make. Thresholds stand in each claim's own file, with their reasons; a claim that fails stays, \
             with the reason beside it.",
        )],
        sections,
    })
}

fn columns(table: &NamedTable, names: &[&str]) -> Result<Vec<usize>, ReportError> {
    let found = names.iter().map(|name| table.column(name));
    Ok(found.collect::<Result<_, _>>()?)
}

/// Everything about one claim.
fn claim(
    row: &[String],
    claims: &NamedTable,
    checks: &NamedTable,
    folder: &Folder,
) -> Result<Vec<Block>, ReportError> {
    let [id, status, reason] = ["id", "status", "reason"].map(|name| claims.column(name));
    let (id, status, reason) = (&row[id?], &row[status?], &row[reason?]);
    let mut blocks = vec![Block::Heading {
        id: format!("claim-{id}"),
        text: format!("{id}: {status}"),
    }];
    if let Some(claim) = claims::find(id) {
        blocks.push(Block::Paragraph(Text::new(&format!(
            "{}. {}.",
            claim.statement.trim_end_matches('.'),
            claim.source.trim_end_matches('.')
        ))));
        if let (Scale::Reduced(how), false) = (claim.scale, reason.contains("reduced: ")) {
            blocks.push(Block::Paragraph(Text::new(&format!("Reduced: {how}."))));
        }
    }
    if !reason.is_empty() {
        blocks.push(Block::Paragraph(Text::new(reason)));
    }
    let of = columns(
        checks,
        &["check", "status", "expected", "measured", "uncertainty"],
    )?;
    let claim = checks.column("id")?;
    let rows = checks.rows.iter().filter(|check| check[claim] == *id);
    let rows: Vec<Vec<String>> = rows
        .map(|check| {
            of.iter()
                .map(|&column| field(&check[column], DIGITS))
                .collect()
        })
        .collect();
    if !rows.is_empty() {
        let mut headings = ["check", "verdict", "expected"].map(Column::words).to_vec();
        headings.extend(["measured", "standard error"].map(Column::numbers));
        blocks.push(Block::Table(Table {
            caption: format!("Checks of {id}"),
            columns: headings,
            rows,
            row_headers: 1,
            source: Text::default().file(CHECKS).and(&format!(
                ": rows whose `id` is `{id}`. Again: `{VANGRAD} reproduce {id}`."
            )),
        }));
    }
    if (folder.has)(&format!("figures/{id}.svg")) {
        let plot = format!("plots/{id}.json");
        blocks.push(folder.figure(
            id,
            Text::new("What the check has found, drawn from its own data."),
            &[&plot],
        )?);
    }
    Ok(blocks)
}

fn reproduce(example: &str, folder: &Folder) -> Section {
    let place = folder.place();
    let commands = [
        ("Every verdict again:", format!("{VANGRAD} reproduce")),
        (
            "One claim, into a folder of its own:",
            format!("{VANGRAD} reproduce {example} --out again"),
        ),
        (
            "Figures, from their stored data alone, also as PDF for a paper:",
            format!("{VANGRAD} plot {place} --format svg,png,pdf"),
        ),
        (
            "This report, from tables and figures alone:",
            format!("{VANGRAD} report {place}"),
        ),
    ];
    let mut blocks = vec![Block::Paragraph(Text::new(
        "Commands are for the root of the repository. Where this folder lies elsewhere, give its path instead. \
         Random numbers have fixed seeds, so the same commit gives the same numbers.",
    ))];
    for (what, command) in commands {
        blocks.push(Block::Paragraph(Text::new(what)));
        blocks.push(Block::Verbatim(command));
    }
    blocks.push(folder.inventory(&[CLAIMS, CHECKS], "`reproduce`"));
    Section {
        id: "reproduce",
        heading: "How to reproduce each number".to_owned(),
        blocks,
    }
}
