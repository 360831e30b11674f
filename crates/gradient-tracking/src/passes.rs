//! Steps of a cell as passes: many of them, forward and back, without leaving the instruction set.

use kernels::simd::{self, Pass, Simd};
use kernels::{View, ViewMut};

use crate::cell::{AdjointMut, AdjointsMut, Point, Points, RecurrentCell};

/// A cell whose steps are written in terms of a [`Simd`], as parts of passes; `run_step` and the others
/// are then its methods as a [`RecurrentCell`].
///
/// The methods in terms of a `Simd` must be `#[inline(always)]`, as [`Pass`] says.
pub trait CellPasses: RecurrentCell {
    /// [`RecurrentCell::step`].
    fn step_within<S: Simd>(
        &self,
        simd: S,
        input: View,
        previous: View,
        next: ViewMut,
        saved: ViewMut,
    );

    /// [`RecurrentCell::steps`] in a better way than one after the other, such as with a state that
    /// stays in registers; false if there is none, and nothing is done.
    #[inline(always)]
    fn steps_at_once<S: Simd>(
        &self,
        _simd: S,
        _inputs: &View,
        _states: &mut ViewMut,
        _saved: &mut ViewMut,
    ) -> bool {
        false
    }

    /// [`RecurrentCell::pull_back`].
    fn pull_back_within<S: Simd>(&self, simd: S, at: &Point, adjoint: AdjointMut);

    /// [`RecurrentCell::pull_back_steps`] in a better way than one after the other; `None` if there
    /// is none, and nothing is done.
    #[inline(always)]
    fn pull_back_at_once<S: Simd>(
        &self,
        _simd: S,
        _along: &Points,
        _adjoints: &mut AdjointsMut,
        _squares: (f64, f64),
    ) -> Option<usize> {
        None
    }

    /// [`RecurrentCell::push_forward_with`].
    fn push_forward_within<S: Simd>(
        &self,
        simd: S,
        at: &Point,
        input: Option<View>,
        tangent: View,
        activation: ViewMut,
        next: ViewMut,
    );

    /// [`RecurrentCell::step`] as a pass.
    #[inline]
    fn run_step(&self, input: View, previous: View, next: ViewMut, saved: ViewMut) {
        simd::run(Step {
            cell: self,
            input,
            previous,
            next,
            saved,
        });
    }

    /// [`RecurrentCell::steps`] as a pass.
    #[inline]
    fn run_steps(&self, inputs: View, states: ViewMut, saved: ViewMut) {
        simd::run(Steps {
            cell: self,
            inputs,
            states,
            saved,
        });
    }

    /// [`RecurrentCell::pull_back`] as a pass.
    ///
    /// # Panics
    /// If shapes do not fit.
    #[inline]
    fn run_pull_back(&self, at: &Point, adjoint: AdjointMut) {
        adjoint.assert_fits(self.shape(), at);
        simd::run(PullBack {
            cell: self,
            at,
            adjoint,
        });
    }

    /// [`RecurrentCell::pull_back_steps`] as a pass.
    ///
    /// # Panics
    /// If shapes do not fit.
    #[inline]
    fn run_pull_back_steps(
        &self,
        along: &Points,
        mut adjoints: AdjointsMut,
        squares: (f64, f64),
    ) -> usize {
        if let Some(last) = along.steps().checked_sub(1) {
            (adjoints.step(last)).assert_fits(self.shape(), &along.step(last));
        }
        simd::run(PullBackSteps {
            cell: self,
            along,
            adjoints,
            squares,
        })
    }

    /// [`RecurrentCell::push_forward_with`] as a pass.
    #[inline]
    fn run_push_forward(
        &self,
        at: &Point,
        input: Option<View>,
        tangent: View,
        activation: ViewMut,
        next: ViewMut,
    ) {
        simd::run(PushForward {
            cell: self,
            at,
            input,
            tangent,
            activation,
            next,
        });
    }
}

struct Step<'a, C: ?Sized> {
    cell: &'a C,
    input: View<'a>,
    previous: View<'a>,
    next: ViewMut<'a>,
    saved: ViewMut<'a>,
}

impl<C: CellPasses + ?Sized> Pass for Step<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        (self.cell).step_within(simd, self.input, self.previous, self.next, self.saved);
    }
}

struct Steps<'a, C: ?Sized> {
    cell: &'a C,
    inputs: View<'a>,
    states: ViewMut<'a>,
    saved: ViewMut<'a>,
}

impl<C: CellPasses + ?Sized> Pass for Steps<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Steps {
            cell,
            inputs,
            mut states,
            mut saved,
        } = self;
        if cell.steps_at_once(simd, &inputs, &mut states, &mut saved) {
            return;
        }
        let batch = states.ncols() - inputs.ncols();
        for k in (0..inputs.ncols()).step_by(batch) {
            let (previous, next) =
                states.columns_range_pair_mut(k..k + batch, k + batch..k + 2 * batch);
            let saved = saved.columns_range_mut(k..k + batch);
            let input = inputs.columns(k, batch);
            cell.step_within(simd, input, previous.as_view(), next, saved);
        }
    }
}

struct PullBack<'a, C: ?Sized> {
    cell: &'a C,
    at: &'a Point<'a>,
    adjoint: AdjointMut<'a>,
}

impl<C: CellPasses + ?Sized> Pass for PullBack<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        self.cell.pull_back_within(simd, self.at, self.adjoint);
    }
}

struct PullBackSteps<'a, C: ?Sized> {
    cell: &'a C,
    along: &'a Points<'a>,
    adjoints: AdjointsMut<'a>,
    squares: (f64, f64),
}

impl<C: CellPasses + ?Sized> Pass for PullBackSteps<'_, C> {
    /// How many.
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> usize {
        let PullBackSteps {
            cell,
            along,
            mut adjoints,
            squares,
        } = self;
        if let Some(done) = cell.pull_back_at_once(simd, along, &mut adjoints, squares) {
            return done;
        }
        let (low, high) = squares;
        let steps = along.steps();
        for k in (0..steps).rev() {
            cell.pull_back_within(simd, &along.step(k), adjoints.step(k));
            let previous = adjoints.step(k).previous;
            if !kernels::columns_lie_within_of(simd, previous.as_view(), low, high) {
                return steps - k;
            }
        }
        steps
    }
}

struct PushForward<'a, C: ?Sized> {
    cell: &'a C,
    at: &'a Point<'a>,
    input: Option<View<'a>>,
    tangent: View<'a>,
    activation: ViewMut<'a>,
    next: ViewMut<'a>,
}

impl<C: CellPasses + ?Sized> Pass for PushForward<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let PushForward {
            cell,
            at,
            input,
            tangent,
            activation,
            next,
        } = self;
        cell.push_forward_within(simd, at, input, tangent, activation, next);
    }
}
