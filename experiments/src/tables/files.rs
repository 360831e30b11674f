//! The one list of the tables that an experiment has.

use super::{
    CurveRow, FitRow, GateRow, GradientRow, LawRow, LossStateRow, LyapunovMeanRow, LyapunovRow,
    LyapunovSummaryRow, ParameterRow, Row, RunRow, SequenceNormRow, SequenceRow, SeriesRow,
    SingularValueRow, UnitGradientRow, UnitQuantileRow,
};

/// A table that `run` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableFile {
    /// Its name in the results folder.
    pub name: &'static str,
    /// Whether `trace` writes one of this name too.
    pub is_of_trace: bool,
}

/// Every table that `run` writes, in the order in which a report lists them. What a rerun removes,
/// `verify` compares and a report lists is taken from here.
pub const FILES: [TableFile; 16] = [
    of_run(FitRow::FILE),
    of_run(CurveRow::FILE),
    of_run(LawRow::FILE),
    of_both(RunRow::FILE),
    of_both(GateRow::FILE),
    of_run(SeriesRow::FILE),
    of_run(ParameterRow::FILE),
    of_both(SingularValueRow::FILE),
    of_run(SequenceRow::FILE),
    of_both(LyapunovRow::FILE),
    of_both(LyapunovMeanRow::FILE),
    of_both(LyapunovSummaryRow::FILE),
    of_both(LossStateRow::FILE),
    of_both(UnitGradientRow::FILE),
    of_both(UnitQuantileRow::FILE),
    of_both(GradientRow::FILE),
];

/// The table that `trace` alone writes.
pub const OF_TRACE_ALONE: &str = SequenceNormRow::FILE;

const fn of_run(name: &'static str) -> TableFile {
    TableFile {
        name,
        is_of_trace: false,
    }
}

const fn of_both(name: &'static str) -> TableFile {
    TableFile {
        name,
        is_of_trace: true,
    }
}
