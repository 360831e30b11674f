//! `README.md` of the claims' folder: the verdicts as a page to read.

use super::{ALL, Scale};
use crate::tables::{CheckRow, ClaimRow};

/// The page of these claims. `has_figure` says which of them have one.
pub fn page(claims: &[ClaimRow], checks: &[CheckRow], has_figure: &dyn Fn(&str) -> bool) -> String {
    let passed = claims.iter().filter(|row| row.status == "pass").count();
    let mut page = format!(
        "# Claims\n\n{passed} of {} claims hold. `vangrad reproduce` computes all of them again; \
         `vangrad reproduce ID` one. The numbers are in `claims.csv`, those of every single check in \
         `checks.csv`.\n",
        claims.len()
    );
    let missing: Vec<&str> = ALL
        .iter()
        .map(|claim| claim.id)
        .filter(|id| claims.iter().all(|row| row.id != *id))
        .collect();
    if !missing.is_empty() {
        page.push_str(&format!("\nNot computed yet: {}.\n", missing.join(", ")));
    }
    page.push_str(
        "\n| claim | what is claimed | source | scale | verdict |\n|---|---|---|---|---|\n",
    );
    for row in claims {
        let claim = super::find(&row.id);
        page.push_str(&format!(
            "| [{id}](#{id}) | {} | {} | {} | {} |\n",
            cell(claim.map_or("", |claim| claim.statement)),
            cell(claim.map_or("", |claim| claim.source)),
            row.scale,
            verdict(&row.status),
            id = row.id,
        ));
    }
    for row in claims {
        page.push_str(&section(row, checks, has_figure(&row.id)));
    }
    page
}

fn section(row: &ClaimRow, checks: &[CheckRow], has_figure: bool) -> String {
    let mut text = format!("\n## {}\n\n", row.id);
    if let Some(claim) = super::find(&row.id) {
        text.push_str(&format!("{}. {}.\n", claim.statement, claim.source));
        if let Scale::Reduced(how) = claim.scale {
            text.push_str(&format!("Reduced: {how}.\n"));
        }
    }
    text.push_str(&match row.seeds {
        0 => "Nothing random.\n".to_owned(),
        1 => "1 seed.\n".to_owned(),
        n => format!("{n} seeds.\n"),
    });
    let reason = without_scale(&row.reason);
    if !reason.is_empty() {
        text.push_str(&format!("\n{reason}\n"));
    }
    text.push_str(
        "\n| check | expected | measured | standard error | verdict |\n|---|---|---|---|---|\n",
    );
    for check in checks.iter().filter(|check| check.id == row.id) {
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} |\n",
            cell(&check.check),
            cell(&check.expected),
            number(check.measured),
            check
                .uncertainty
                .map_or(String::new(), |e| format!("{e:.2e}")),
            verdict(&check.status),
        ));
    }
    if has_figure {
        text.push_str(&format!("\n![{id}](figures/{id}.png)\n", id = row.id));
    }
    text
}

/// The reason without what the line on the scale says already.
fn without_scale(reason: &str) -> &str {
    if reason.starts_with("reduced: ") {
        return "";
    }
    reason
        .rsplit_once(" (reduced: ")
        .map_or(reason, |(reason, _)| reason)
}

fn verdict(status: &str) -> String {
    match status {
        "pass" => "pass".to_owned(),
        other => format!("**{other}**"),
    }
}

fn number(value: Option<f64>) -> String {
    match value {
        None => "not a number".to_owned(),
        Some(value) if value == 0.0 || (1e-3..1e6).contains(&value.abs()) => {
            let text = format!("{value:.6}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        Some(value) => format!("{value:.5e}"),
    }
}

/// A table's cell cannot hold a bar.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_claim_is_as_plain_as_a_passing_one() {
        let row = |id: &str, status: &str, reason: &str| ClaimRow {
            id: id.to_owned(),
            status: status.to_owned(),
            expected: "≤ 1".to_owned(),
            measured: Some(2.0),
            uncertainty: None,
            seeds: 3,
            scale: "reduced".to_owned(),
            reason: reason.to_owned(),
        };
        let check = CheckRow {
            id: "b".to_owned(),
            check: "|x|".to_owned(),
            status: "fail".to_owned(),
            expected: "≤ 1".to_owned(),
            measured: Some(2.0),
            uncertainty: Some(0.25),
        };
        let claims = [
            row("a", "pass", "reduced: short"),
            row("b", "fail", "too long (reduced: short)"),
        ];
        let page = page(&claims, &[check], &|id| id == "a");
        assert!(page.contains("1 of 2 claims hold"), "{page}");
        assert!(page.contains("| **fail** |"), "{page}");
        assert!(page.contains("\ntoo long\n"), "{page}");
        assert!(
            page.contains("| \\|x\\| | ≤ 1 | 2 | 2.50e-1 | **fail** |"),
            "{page}"
        );
        assert!(page.contains("![a](figures/a.png)") && !page.contains("![b]"));
    }
}
