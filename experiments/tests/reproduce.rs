//! Claims, checked from the command line, and the verdicts that are committed.

// Of what the tests share, only a part is needed here.
#[allow(dead_code)]
mod common;

use std::path::{Path, PathBuf};

use common::{Lab, TINY, assert_same};
use experiments::claims::{self, Claim};
use experiments::tables::{CheckRow, ClaimRow, Table};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn committed(name: &str) -> String {
    let path = root().join("results/claims").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The claims that cost least.
fn cheapest(count: usize) -> Vec<&'static Claim> {
    let mut all: Vec<&Claim> = claims::ALL.iter().collect();
    all.sort_by(|a, b| a.cost_seconds.total_cmp(&b.cost_seconds));
    all.truncate(count);
    all
}

fn rows(lab: &Lab, folder: &str) -> Vec<ClaimRow> {
    let text = String::from_utf8(lab.bytes(&format!("{folder}/claims.csv"))).unwrap();
    Table::from_csv(&text).unwrap().rows
}

#[test]
fn every_claim_is_listed_in_one_line_that_starts_with_its_id() {
    let listed = Lab::with(TINY)
        .vangrad(&["reproduce", "--list"])
        .exits_with(0);
    let ids = listed.stdout.lines().map(|l| l.split_whitespace().next());
    assert!(ids.eq(claims::ALL.iter().map(|claim| Some(claim.id))));
}

#[test]
fn verdicts_of_some_claims_leave_those_of_others_as_they_are() {
    let [first, second] = cheapest(2)[..] else {
        panic!("two claims, at least");
    };
    let lab = Lab::with(TINY);
    let check = |ids: &[&str]| {
        let arguments = [&["reproduce", "--out", "claims"], ids].concat();
        lab.vangrad(&arguments).exits_with(0)
    };
    check(&[first.id]).says(&["1 of 1 claims hold"]);
    let of_first = rows(&lab, "claims");
    check(&[second.id, "--jobs", "1"]);
    let of_both = rows(&lab, "claims");
    assert_eq!((of_first.len(), of_both.len()), (1, 2));
    assert!(of_both.contains(&of_first[0]));

    // Again, in one go: the same bytes.
    let once = lab.files("claims");
    check(&[first.id, second.id]);
    assert_same(&lab.files("claims"), &once);
    let page = String::from_utf8(lab.bytes("claims/README.md")).unwrap();
    assert!(page.contains("2 of 2 claims hold") && page.contains("Not computed yet:"));
}

#[test]
fn figures_of_claims_are_redrawn_from_their_stored_data() {
    let Some(claim) = claims::ALL
        .iter()
        .filter(|claim| {
            root()
                .join(format!("results/claims/plots/{}.json", claim.id))
                .exists()
        })
        .min_by(|a, b| a.cost_seconds.total_cmp(&b.cost_seconds))
    else {
        panic!("no claim has a figure");
    };
    let lab = Lab::with(TINY);
    lab.vangrad(&["reproduce", claim.id, "--out", "claims"])
        .exits_with(0);
    let drawn = lab.files("claims");
    let figure = format!("figures/{}.svg", claim.id);
    assert!(drawn.contains_key(&figure));
    lab.write(&format!("claims/{figure}"), "spoilt");
    lab.vangrad(&["plot", "claims"])
        .exits_with(0)
        .says(&[&figure]);
    assert_same(&lab.files("claims"), &drawn);

    lab.write(&format!("claims/plots/{}.json", claim.id), "{");
    let again = format!("vangrad reproduce {}", claim.id);
    lab.vangrad(&["plot", "claims"])
        .exits_with(2)
        .says(&[&again]);
}

#[test]
fn what_cannot_be_done_creates_nothing() {
    let lab = Lab::with(TINY);
    let id = cheapest(1)[0].id;
    lab.vangrad(&["reproduce", &id[..id.len() - 1]])
        .exits_with(2)
        .says(&[id, "reproduce --list"]);
    assert!(!lab.path("results").exists());

    lab.run(&["--no-figures"]).exits_with(0);
    let before = lab.files("out");
    lab.vangrad(&["reproduce", id, "--out", "out"])
        .exits_with(2)
        .says(&["out holds the results of an experiment"]);
    assert_same(&lab.files("out"), &before);

    lab.vangrad(&["reproduce", id, "--out", "claims"])
        .exits_with(0);
    let before = lab.files("claims");
    for command in [
        &["run", "experiment.toml", "--out", "claims"][..],
        &["verify", "claims"],
    ] {
        lab.vangrad(command)
            .exits_with(2)
            .says(&["vangrad reproduce"]);
    }
    assert_same(&lab.files("claims"), &before);

    lab.write("claims/claims.csv", "id,status\n");
    lab.vangrad(&["reproduce", id, "--out", "claims"])
        .exits_with(2)
        .says(&["claims"]);
}

/// A claim that is added, renamed or given another statement is computed again before it lands.
#[test]
fn committed_verdicts_are_those_of_every_claim() {
    let claims: Vec<ClaimRow> = Table::from_csv(&committed("claims.csv")).unwrap().rows;
    let checks: Vec<CheckRow> = Table::from_csv(&committed("checks.csv")).unwrap().rows;
    let ids = claims.iter().map(|row| row.id.as_str());
    assert!(ids.eq(claims::ALL.iter().map(|claim| claim.id)));
    let has_plot = |id: &str| {
        root()
            .join(format!("results/claims/plots/{id}.json"))
            .exists()
    };
    assert_eq!(
        committed("README.md"),
        claims::page(&claims, &checks, &has_plot)
    );
    for row in claims {
        let explained = row.status == "pass" || !row.reason.is_empty();
        assert!(explained, "{} fails, and nothing says why", row.id);
    }
}

/// The README shows every verdict.
#[test]
fn the_table_of_the_readme_is_that_of_the_committed_verdicts() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let claims: Vec<ClaimRow> = Table::from_csv(&committed("claims.csv")).unwrap().rows;
    let mut table = String::from("| claim | what is claimed | verdict |\n|---|---|---|\n");
    for row in claims {
        let claim = claims::find(&row.id).unwrap();
        table.push_str(&format!(
            "| [{id}](results/claims/README.md#{id}) | {} | {} |\n",
            claim.statement.replace('|', "\\|"),
            if row.status == "pass" {
                "pass".to_owned()
            } else {
                format!("**{}**", row.status)
            },
            id = row.id,
        ));
    }
    assert!(readme.contains(&table), "README.md should have\n\n{table}");
}
