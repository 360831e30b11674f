//! What the literature claims and what follows exactly, each with a check that a machine can make.
//!
//! A claim is one file here, whose module documentation says what is claimed, where, in which setup
//! and why the threshold is what it is, and one line in [`ALL`]. Its [`check`](Claim::check) measures
//! and says what was expected; the verdict follows from these numbers alone ([`Check::passes`]), so
//! no claim can state its own. A claim that fails stays, with the reason beside it.
//!
//! A check is a pure function on one thread: its random numbers come from
//! [`Streams`](cell_config::Streams) with fixed seeds, so it gives the same bits whenever it runs.

mod antisymmetric_2019;
mod bengio_1994_latch;
mod carousel_constant_gate;
mod cayley;
mod check;
mod chen_2018_rnn;
mod chung_2014_additive_path;
mod engelken_2023_spectra;
mod gers_2000_forget;
mod gilboa_2019_lstm;
mod gru_constant_update_gate;
mod henaff_2016;
mod hochreiter_1991_local;
mod hochreiter_unit_ceiling;
mod hs_1997_cec;
mod hs_1997_weights;
mod irnn_2015;
mod jacobian_duality;
mod jozefowicz_2015_bias;
mod lru_2023;
mod lyap_adjoint;
mod lyap_sum_rule;
pub mod measure;
mod mikhaeil_2022;
mod molgedey_1992_noise;
mod networks;
mod newman_1986_spectrum;
mod newman_mean_growth;
mod one_cell;
mod oracle_clipping;
mod oracle_delay_line;
mod oracle_diagonal;
mod oracle_finite_differences;
mod oracle_jordan;
mod oracle_lstm_hidden_gradient;
mod oracle_memoryless;
mod oracle_no_recurrence;
mod oracle_orthogonal_bitwise;
mod oracle_relabelling;
mod oracle_relu;
mod oracle_scalar_derivatives;
mod oracle_sign_flip;
mod oracle_symmetric;
mod oracle_tanh_fixed_point;
mod oracle_time_shift;
mod oracle_truncation;
mod oracle_zero_readout;
mod page;
mod pascanu_2013_bound;
mod pascanu_2013_omega;
mod pascanu_2013_wall;
mod poole_2016_chi;
mod qr_constant_normal;
mod saxe_2014;
mod scornn_2018;
mod tallec_2018_chrono;
mod tanh_critical_power_law;
mod two_regime_gradient;
mod urnn_2016;
mod vogt_2022;
mod vorontsov_2017;
mod zucchet_2024_curse;

pub use check::{Check, Evidence, Expected};
pub use page::page;

use crate::tables::{CheckRow, ClaimRow};

/// A published or derived claim.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// What it is called on the command line and in tables: first author, year and subject.
    pub id: &'static str,
    /// Where it is published, or what it is derived from.
    pub source: &'static str,
    /// What is claimed, in one line.
    pub statement: &'static str,
    /// Whether all of it is checked.
    pub scale: Scale,
    /// About how long the check takes on one core.
    pub cost_seconds: f64,
    /// Measures. An error is a reason why nothing could be measured.
    pub check: fn() -> Result<Evidence, String>,
}

/// How much of a published experiment a check repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// All of it.
    Full,
    /// Less: what is smaller or shorter than published.
    Reduced(&'static str),
}

impl Scale {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Scale::Full => "full",
            Scale::Reduced(_) => "reduced",
        }
    }
}

/// Every claim, in the order of the tables.
pub const ALL: &[Claim] = &[
    hochreiter_1991_local::CLAIM,
    hochreiter_unit_ceiling::CLAIM,
    bengio_1994_latch::CLAIM,
    tanh_critical_power_law::CLAIM,
    pascanu_2013_bound::CLAIM,
    pascanu_2013_wall::CLAIM,
    pascanu_2013_omega::CLAIM,
    irnn_2015::CLAIM,
    urnn_2016::CLAIM,
    henaff_2016::CLAIM,
    vorontsov_2017::CLAIM,
    gers_2000_forget::CLAIM,
    jozefowicz_2015_bias::CLAIM,
    tallec_2018_chrono::CLAIM,
    gilboa_2019_lstm::CLAIM,
    poole_2016_chi::CLAIM,
    chen_2018_rnn::CLAIM,
    two_regime_gradient::CLAIM,
    oracle_orthogonal_bitwise::CLAIM,
    oracle_diagonal::CLAIM,
    oracle_symmetric::CLAIM,
    oracle_scalar_derivatives::CLAIM,
    oracle_delay_line::CLAIM,
    oracle_jordan::CLAIM,
    oracle_tanh_fixed_point::CLAIM,
    oracle_relu::CLAIM,
    oracle_no_recurrence::CLAIM,
    oracle_lstm_hidden_gradient::CLAIM,
    oracle_clipping::CLAIM,
    oracle_truncation::CLAIM,
    oracle_zero_readout::CLAIM,
    oracle_memoryless::CLAIM,
    oracle_finite_differences::CLAIM,
    oracle_time_shift::CLAIM,
    oracle_sign_flip::CLAIM,
    oracle_relabelling::CLAIM,
    newman_1986_spectrum::CLAIM,
    newman_mean_growth::CLAIM,
    qr_constant_normal::CLAIM,
    lyap_sum_rule::CLAIM,
    lyap_adjoint::CLAIM,
    molgedey_1992_noise::CLAIM,
    engelken_2023_spectra::CLAIM,
    mikhaeil_2022::CLAIM,
    vogt_2022::CLAIM,
    saxe_2014::CLAIM,
    jacobian_duality::CLAIM,
    chung_2014_additive_path::CLAIM,
    gru_constant_update_gate::CLAIM,
    lru_2023::CLAIM,
    zucchet_2024_curse::CLAIM,
    hs_1997_cec::CLAIM,
    hs_1997_weights::CLAIM,
    carousel_constant_gate::CLAIM,
    antisymmetric_2019::CLAIM,
    scornn_2018::CLAIM,
    cayley::CLAIM,
];

/// The claim called `id`.
pub fn find(id: &str) -> Option<&'static Claim> {
    ALL.iter().find(|claim| claim.id == id)
}

/// What became of a claim: what its check found, or why it found nothing.
pub type Found = Result<Evidence, String>;

/// Checks a claim. A check that panics is a bug, and one that must not take the others with it.
pub fn judge(claim: &Claim) -> Found {
    std::panic::catch_unwind(claim.check).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!(
            "the check panicked: {}",
            said.unwrap_or("no reason given")
        ))
    })
}

/// The claim's row in `claims.csv`. Of several checks it shows the first that fails, or else the
/// first.
pub fn claim_row(claim: &Claim, found: &Found) -> ClaimRow {
    let reduced = match claim.scale {
        Scale::Full => None,
        Scale::Reduced(how) => Some(how),
    };
    let with_scale = |reason: &str| match reduced {
        Some(how) if reason.is_empty() => format!("reduced: {how}"),
        Some(how) => format!("{reason} (reduced: {how})"),
        None => reason.to_owned(),
    };
    let mut row = ClaimRow {
        id: claim.id.to_owned(),
        status: String::new(),
        expected: String::new(),
        measured: None,
        uncertainty: None,
        seeds: 0,
        scale: claim.scale.name().to_owned(),
        reason: String::new(),
    };
    match found {
        Err(reason) => {
            row.status = "error".to_owned();
            row.reason = with_scale(reason);
        }
        Ok(evidence) => {
            let failing = evidence.checks.iter().find(|check| !check.passes());
            let shown = failing.or(evidence.checks.first());
            row.status = verdict(evidence.passes()).to_owned();
            row.seeds = evidence.seeds;
            if let Some(check) = shown {
                row.expected = check.expected.to_string();
                row.measured = Some(check.measured).filter(|value| !value.is_nan());
                row.uncertainty = check.uncertainty;
            }
            row.reason = with_scale(&evidence.remark);
        }
    }
    row
}

/// The claim's rows in `checks.csv`.
pub fn check_rows(claim: &Claim, found: &Found) -> Vec<CheckRow> {
    let checks = found.as_ref().map_or(&[][..], |found| &found.checks);
    let rows = checks.iter().map(|check| CheckRow {
        id: claim.id.to_owned(),
        check: check.what.clone(),
        status: verdict(check.passes()).to_owned(),
        expected: check.expected.to_string(),
        measured: Some(check.measured).filter(|value| !value.is_nan()),
        uncertainty: check.uncertainty,
    });
    rows.collect()
}

fn verdict(passes: bool) -> &'static str {
    if passes { "pass" } else { "fail" }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn claim(check: fn() -> Found) -> Claim {
        Claim {
            id: "someone-2000-something",
            source: "Someone, 2000",
            statement: "one is one",
            scale: Scale::Reduced("two instead of three"),
            cost_seconds: 0.1,
            check,
        }
    }

    #[test]
    fn ids_are_unique_and_fit_for_a_file_name() {
        let ids: BTreeSet<&str> = ALL.iter().map(|claim| claim.id).collect();
        assert_eq!(ids.len(), ALL.len());
        for claim in ALL {
            let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(claim.id.chars().all(is_plain), "{}", claim.id);
            assert!(!claim.statement.contains('\n'), "{}", claim.id);
            assert!(find(claim.id).is_some_and(|found| found.source == claim.source));
        }
    }

    #[test]
    fn the_row_shows_the_first_failing_check() {
        let claim = claim(|| {
            Ok(Evidence {
                checks: vec![
                    Check::within("one", 1.0, 1.0, 0.0),
                    Check::at_most("two", 3.0, 2.0),
                ],
                seeds: 4,
                plot: None,
                remark: "because".to_owned(),
            })
        });
        let found = judge(&claim);
        let row = claim_row(&claim, &found);
        assert_eq!((row.status.as_str(), row.measured), ("fail", Some(3.0)));
        assert_eq!(row.reason, "because (reduced: two instead of three)");
        let statuses: Vec<String> = check_rows(&claim, &found)
            .into_iter()
            .map(|row| row.status)
            .collect();
        assert_eq!(statuses, ["pass", "fail"]);
    }

    #[test]
    fn a_check_that_panics_or_finds_nothing_is_an_error() {
        let nothing = claim(|| Err("no weights".to_owned()));
        let row = claim_row(&nothing, &judge(&nothing));
        assert_eq!(
            (row.status.as_str(), row.measured, row.seeds),
            ("error", None, 0)
        );
        let panics = claim(|| panic!("index out of bounds"));
        let row = claim_row(&panics, &judge(&panics));
        assert!(row.reason.contains("index out of bounds"), "{}", row.reason);
    }
}
