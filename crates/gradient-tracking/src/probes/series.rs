//! The trajectory of one sequence, unit by unit: what heat maps need.

use std::ops::Range;

use crate::cell::RecurrentCell;
use crate::probe::{ForwardStep, Probe, Watches};

/// The input, every block of the state and every saved block of the first sequence, at given steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Name, number of units, and n·units values, one of the n steps after the other.
    pub series: Vec<(String, usize, Vec<f64>)>,
    sources: Vec<(Source, Range<usize>)>,
    times: Vec<usize>,
    /// How many of them have been.
    passed: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    Input,
    State,
    Saved,
}

impl Series {
    /// Of the steps `times`, which increase from 1 on: a heat map of a long run needs not all.
    pub fn new(cell: &dyn RecurrentCell, times: Vec<usize>) -> Self {
        let mut series = Vec::new();
        let mut sources = Vec::new();
        let mut add = |name: &str, source, rows: Range<usize>| {
            series.push((
                name.to_owned(),
                rows.len(),
                vec![0.0; times.len() * rows.len()],
            ));
            sources.push((source, rows));
        };
        add("x", Source::Input, 0..cell.shape().input);
        for block in cell.state_blocks() {
            add(&block.name, Source::State, block.rows.clone());
        }
        for block in cell.saved_blocks() {
            add(&block.name, Source::Saved, block.rows.clone());
        }
        Series {
            series,
            sources,
            times,
            passed: 0,
        }
    }
}

impl Probe for Series {
    fn watches(&self) -> Watches {
        Watches {
            forward: true,
            backward: false,
        }
    }

    fn forward(&mut self, step: &ForwardStep) {
        if self.times.get(self.passed) != Some(&step.t) {
            return;
        }
        for ((_, units, values), (source, rows)) in self.series.iter_mut().zip(&self.sources) {
            let matrix = match source {
                Source::Input => step.input,
                Source::State => step.point.next,
                Source::Saved => step.point.saved,
            };
            values[self.passed * *units..(self.passed + 1) * *units]
                .copy_from_slice(&matrix.column(0).as_slice()[rows.clone()]);
        }
        self.passed += 1;
    }
}
