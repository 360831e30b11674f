//! The CSV files of a results folder as typed rows, and the text they are written as.
//!
//! This module is pure text ↔ rows; `store` reads and writes the files. One [`Row`] type per file
//! says which columns stand before and after the factor columns (the sweep keys, verbatim).
//!
//! Numbers have 12 significant digits; an exact zero, whose logarithm is −∞, is `-inf`; an empty
//! field is a value that is not defined. `NaN` is never written by the analysis and is refused on
//! reading, so that whoever draws or compares rows need not think of it.

mod codec;
mod files;
mod named;
mod number;
mod rows;

pub use codec::{Field, FieldReader, FieldWriter, Precise, Row, Table, TableError};
pub use files::{FILES, OF_TRACE_ALONE, TableFile};
pub use named::NamedTable;
pub use number::format_number;
pub use rows::{
    CONSTANT, CheckRow, ClaimRow, CurveRow, FitRow, GateRow, GradientRow, Key, LawRow,
    LossStateRow, LyapunovMeanRow, LyapunovRow, LyapunovSummaryRow, ParameterRow, RunRow,
    SequenceNormRow, SequenceRow, SeriesRow, SingularValueRow, TOO_SHORT, TraceRow,
    UnitGradientRow, UnitQuantileRow,
};
