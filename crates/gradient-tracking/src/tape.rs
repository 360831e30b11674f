//! The trajectory of a rollout, kept for the way back.

use std::ops::Range;

use kernels::{Buffer, View, ViewMut};
use nalgebra::{Const, Dyn};

use crate::cell::{CellShape, Point, Points};

/// States s_0…s_T and what each step saved, T·B columns, steps one after the other; or those of a
/// segment of a longer trajectory.
///
/// Memory: 8·B·((T+1)·S + T·R) bytes. A tape keeps its storage when it is used again.
#[derive(Clone, Debug, Default)]
pub struct Tape {
    /// The time of the first state.
    first: usize,
    steps: usize,
    batch: usize,
    state_rows: usize,
    saved_rows: usize,
    states: Buffer,
    saved: Buffer,
}

impl Tape {
    /// An empty tape.
    pub fn new() -> Self {
        Self::default()
    }

    /// T, the number of steps rolled out.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// The times of the steps on this tape: 1…T, unless it holds a segment.
    pub(crate) fn times(&self) -> Range<usize> {
        self.first + 1..self.first + self.steps + 1
    }

    /// B, the number of sequences.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Makes room; contents are unspecified afterwards.
    pub(crate) fn prepare(&mut self, shape: CellShape, first: usize, steps: usize, batch: usize) {
        self.first = first;
        self.steps = steps;
        self.batch = batch;
        self.state_rows = shape.state;
        self.saved_rows = shape.saved;
        self.states.renew((steps + 1) * batch * shape.state);
        self.saved.renew(steps * batch * shape.saved);
    }

    /// s_t, S×B, for t = 0…T.
    ///
    /// # Panics
    /// If t > T.
    #[inline]
    pub fn state(&self, t: usize) -> View<'_> {
        self.states(t, 1)
    }

    /// s_t … s_{t+n−1} side by side, S×(n·B).
    #[inline]
    pub(crate) fn states(&self, t: usize, n: usize) -> View<'_> {
        let size = self.state_rows * self.batch;
        let t = t - self.first;
        View::from_slice(
            &self.states[t * size..(t + n) * size],
            self.state_rows,
            n * self.batch,
        )
    }

    /// Some rows of the states at these times, side by side.
    pub(crate) fn state_rows(&self, times: &Range<usize>, rows: &Range<usize>) -> View<'_> {
        let size = self.state_rows * self.batch;
        View::from_slice_with_strides_generic(
            &self.states[(times.start - self.first) * size + rows.start..],
            Dyn(rows.len()),
            Dyn(times.len() * self.batch),
            Const,
            Dyn(self.state_rows),
        )
    }

    /// What step t saved, R×B, for t = 1…T.
    ///
    /// # Panics
    /// If t = 0 or t > T.
    #[inline]
    pub fn saved(&self, t: usize) -> View<'_> {
        assert!(t > self.first, "nothing is saved at t = {}", self.first);
        let size = self.saved_rows * self.batch;
        let t = t - self.first;
        View::from_slice(
            &self.saved[(t - 1) * size..t * size],
            self.saved_rows,
            self.batch,
        )
    }

    /// Step t of the trajectory, for t = 1…T.
    #[inline]
    pub fn point(&self, t: usize) -> Point<'_> {
        Point {
            previous: self.state(t - 1),
            next: self.state(t),
            saved: self.saved(t),
        }
    }

    /// The steps at these times.
    pub(crate) fn points(&self, times: Range<usize>) -> Points<'_> {
        let size = self.saved_rows * self.batch;
        let (start, end) = (times.start - self.first, times.end - self.first);
        let saved = &self.saved[(start - 1) * size..(end - 1) * size];
        Points {
            states: self.states(times.start - 1, times.len() + 1),
            saved: View::from_slice(saved, self.saved_rows, times.len() * self.batch),
            batch: self.batch,
        }
    }

    /// Whether the states at these times are free of NaN and infinities.
    pub(crate) fn is_finite(&self, times: Range<usize>) -> bool {
        let size = self.state_rows * self.batch;
        let (start, end) = (times.start - self.first, times.end - self.first);
        kernels::all_finite(&self.states[start * size..end * size])
    }

    pub(crate) fn initial_mut(&mut self) -> ViewMut<'_> {
        let size = self.state_rows * self.batch;
        ViewMut::from_slice(&mut self.states[..size], self.state_rows, self.batch)
    }

    /// The states at these times and the one before, S×((n+1)·B), and what their steps save.
    pub(crate) fn steps_mut(&mut self, times: &Range<usize>) -> (ViewMut<'_>, ViewMut<'_>) {
        let from = times.start - self.first - 1;
        let (n, batch) = (times.len(), self.batch);
        let (state, saved) = (self.state_rows, self.saved_rows);
        let states = &mut self.states[from * state * batch..(from + n + 1) * state * batch];
        let saved_values = &mut self.saved[from * saved * batch..(from + n) * saved * batch];
        (
            ViewMut::from_slice(states, state, (n + 1) * batch),
            ViewMut::from_slice(saved_values, saved, n * batch),
        )
    }
}
