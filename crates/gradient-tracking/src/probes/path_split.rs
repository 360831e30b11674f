//! The LSTM's cell gradient, split into the direct path and the path through the gates.
//!
//! With ε_t = o_t(1 − tanh² c_t), e_t what enters h_t from outside the layer, and W_hhᵀδ_{t+1} what
//! enters it from the next step,
//!
//! * direct: D_t = f_{t+1} ⊙ D_{t+1} + ε_t ⊙ e_t,
//! * gated: G_t = f_{t+1} ⊙ G_{t+1} + ε_t ⊙ (W_hhᵀ δ_{t+1}),
//!
//! and D_t + G_t is the node gradient of c_t. At t = 0 there is no h_t → c_t edge, so only the
//! first terms. Each part is carried on its own and has its own exponents: the parts decay at
//! different rates, and neither is found by subtraction.

use std::ops::Range;

use kernels::ViewMut;

use crate::cell::{Block, RecurrentCell};
use crate::probe::{BackwardChunk, BackwardStep, Probe};
use crate::probes::norms::Norms;
use crate::scaled::{Scaled, align, rescale};

/// One part, carried back from step to step.
#[derive(Clone, Debug, PartialEq)]
struct Part {
    values: Vec<f64>,
    exponents: Vec<i64>,
}

/// Norms of D_t and G_t for t = 0…T.
#[derive(Clone, Debug, PartialEq)]
pub struct PathSplit {
    /// ‖D_t‖.
    pub direct: Norms,
    /// ‖G_t‖.
    pub gated: Norms,
    rows: usize,
    output: Range<usize>,
    forget: Range<usize>,
    expose: Range<usize>,
    tanh_cell: Range<usize>,
    direct_part: Part,
    gated_part: Part,
    scratch: Vec<f64>,
    scratch_exponents: Vec<i64>,
}

impl PathSplit {
    /// For a run of `steps` steps of `batch` sequences. `None` unless the cell has an LSTM's memory:
    /// a state block `c` and saved blocks `f`, `o` and `tanh_c`.
    pub fn new(cell: &dyn RecurrentCell, steps: usize, batch: usize) -> Option<Self> {
        let find = |blocks: &[Block], name: &str| {
            blocks
                .iter()
                .find(|block| block.name == name)
                .map(|block| block.rows.clone())
        };
        let saved = cell.saved_blocks();
        let rows = find(cell.state_blocks(), "c")?.len();
        let part = Part {
            values: vec![0.0; rows * batch],
            exponents: vec![0; batch],
        };
        Some(PathSplit {
            direct: Norms::new(steps + 1, batch, false),
            gated: Norms::new(steps + 1, batch, false),
            rows,
            output: cell.output_rows(),
            forget: find(saved, "f")?,
            expose: find(saved, "o")?,
            tanh_cell: find(saved, "tanh_c")?,
            direct_part: part.clone(),
            gated_part: part,
            scratch: vec![0.0; rows * batch],
            scratch_exponents: vec![0; batch],
        })
    }

    /// Adds ε_t ⊙ `entering` to `part`.
    fn add(&mut self, which: Which, step: &BackwardStep, entering: Scaled) {
        let Some(point) = step.point else { return };
        let part = match which {
            Which::Direct => &mut self.direct_part,
            Which::Gated => &mut self.gated_part,
        };
        for ((scratch, entering), saved) in self
            .scratch
            .chunks_exact_mut(self.rows)
            .zip(entering.values.column_iter())
            .zip(point.saved.column_iter())
        {
            let saved = saved.as_slice();
            let (o, tanh_c) = (&saved[self.expose.clone()], &saved[self.tanh_cell.clone()]);
            for (((s, e), o), tanh_c) in scratch.iter_mut().zip(entering.iter()).zip(o).zip(tanh_c)
            {
                *s = o * (1.0 - tanh_c * tanh_c) * e;
            }
        }
        self.scratch_exponents.copy_from_slice(entering.exponents);
        let batch = self.scratch_exponents.len();
        align(
            ViewMut::from_slice(&mut part.values, self.rows, batch),
            &mut part.exponents,
            ViewMut::from_slice(&mut self.scratch, self.rows, batch),
            &mut self.scratch_exponents,
        );
        for (value, add) in part.values.iter_mut().zip(&self.scratch) {
            *value += add;
        }
    }
}

#[derive(Clone, Copy)]
enum Which {
    Direct,
    Gated,
}

impl Part {
    fn scaled(&self, rows: usize) -> Scaled<'_> {
        Scaled {
            values: kernels::View::from_slice(&self.values, rows, self.exponents.len()),
            exponents: &self.exponents,
        }
    }

    /// Through the forget gate to the step before.
    fn carry(&mut self, rows: usize, forget: &Range<usize>, saved: kernels::View) {
        for (column, saved) in self.values.chunks_exact_mut(rows).zip(saved.column_iter()) {
            for (value, f) in column.iter_mut().zip(&saved.as_slice()[forget.clone()]) {
                *value *= f;
            }
        }
        let batch = self.exponents.len();
        // Gates are at most 1 and the sum above was finite, so this cannot fail.
        let _ = rescale(
            ViewMut::from_slice(&mut self.values, rows, batch),
            &mut self.exponents,
        );
    }
}

impl Probe for PathSplit {
    fn backward(&mut self, step: &BackwardStep) {
        if let Some(injected) = step.injected {
            self.add(Which::Direct, step, injected);
        }
        self.add(Which::Gated, step, step.arrived.rows(&self.output.clone()));
        self.direct.set(step.t, self.direct_part.scaled(self.rows));
        self.gated.set(step.t, self.gated_part.scaled(self.rows));
        if step.t == 0 {
            self.direct.finish(0..1);
            self.gated.finish(0..1);
        }
        if step.cut {
            // Only what is put in at this very step goes on.
            self.direct_part.values.fill(0.0);
            self.gated_part.values.fill(0.0);
            if let Some(kept) = step.kept {
                self.add(Which::Direct, step, kept);
            }
        }
        if let Some(point) = step.point {
            let (rows, forget) = (self.rows, self.forget.clone());
            self.direct_part.carry(rows, &forget, point.saved);
            self.gated_part.carry(rows, &forget, point.saved);
        }
    }

    fn backward_chunk(&mut self, chunk: &BackwardChunk) {
        self.direct.finish(chunk.times());
        self.gated.finish(chunk.times());
    }
}
