//! The exponents of a cell along a trajectory.

use gradient_tracking::{
    AdjointMut, ForwardStep, NonFinite, Point, Probe, RecurrentCell, Tape, View, ViewMut, Watches,
};
use kernels::Buffer;

use crate::exponents::{Exponents, Spectrum};
use crate::orthonormal::ONCE;

/// What to measure, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How many exponents, from the largest on; all S if there is no number. k of them cost about k/S
    /// of the products and (k/S)² of the orthonormalisation.
    pub exponents: Option<usize>,
    /// The first steps, which do not count: the trajectory has to reach its attractor, and Q the
    /// directions that belong to each exponent. The latter take about 1/(λ_i − λ_{i+1}) steps.
    pub transient: usize,
    /// When columns are made orthonormal again.
    pub interval: Interval,
    /// Times in rising order at which the means so far are kept: the convergence curve.
    pub times: Vec<usize>,
}

/// Steps between two orthonormalisations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interval {
    /// As many as leave the columns well conditioned: doubled as long as the condition number promises
    /// to stay below 10⁴, up to 64; halved, and the steps done again, where it did not.
    #[default]
    Automatic,
    /// So many, at least 1 and no more than 64, which stands for any larger number; and fewer where
    /// columns would become ill-conditioned: then those steps are done again in halves, so that no
    /// interval gives wrong exponents.
    Steps(usize),
}

/// No more steps than this between two orthonormalisations.
const MAX_INTERVAL: usize = 64;

/// Measures the exponents of a cell on its way forward, along the trajectory of one sequence.
///
/// A [`Probe`] of [`rollout`](gradient_tracking::rollout) or of
/// [`with_checkpoints`](gradient_tracking::with_checkpoints), so no trajectory need be held;
/// [`spectrum`] is the same over a [`Tape`].
///
/// Per step: one push-forward of k columns, one pull-back of a single one, which tells which
/// coordinates of s_{t−1} the step does not look at, and a QR now and then.
pub struct Lyapunov<'a> {
    /// λ_1…λ_k as of each of [`Options::times`], side by side; NaN within the transient, and at times
    /// that have not come.
    pub running_means: Vec<f64>,
    /// The step whose Jacobian left the range of f64, where everything ends.
    pub overflow: Option<usize>,
    cell: &'a dyn RecurrentCell,
    sequence: usize,
    options: Options,
    next_time: usize,
    exponents: Exponents,
    /// Steps since the last orthonormalisation, when to have the next one, and up to where that may grow.
    pending: usize,
    interval: usize,
    ceiling: usize,
    /// Those steps: the states, with the one before in front, and what they saved.
    states: Buffer,
    saved: Buffer,
    /// J⋯J·Q so far, S×k; what it becomes; ȧ, P×k.
    tangent: Buffer,
    next: Buffer,
    activation: Buffer,
    /// An adjoint in general position and what it is pulled back to, one column each.
    adjoint: Vec<f64>,
    delta: Vec<f64>,
    pulled_back: Vec<f64>,
}

impl<'a> Lyapunov<'a> {
    /// Of `cell`, along the sequence with this number, from 0, of its batch.
    ///
    /// # Panics
    /// If the number of exponents or the interval is 0.
    pub fn new(cell: &'a dyn RecurrentCell, sequence: usize, options: Options) -> Self {
        let shape = cell.shape();
        let size = shape.state;
        let count = options.exponents.unwrap_or(size).min(size);
        let (interval, ceiling) = match options.interval {
            Interval::Automatic => (1, MAX_INTERVAL),
            Interval::Steps(steps) => (steps.min(MAX_INTERVAL), steps.min(MAX_INTERVAL)),
        };
        assert!(interval > 0, "an orthonormalisation every 0 steps");
        let buffer = |length| {
            let mut buffer = Buffer::default();
            buffer.renew(length);
            buffer
        };
        Lyapunov {
            running_means: vec![f64::NAN; count * options.times.len()],
            overflow: None,
            cell,
            sequence,
            next_time: 0,
            exponents: Exponents::new(size, count),
            pending: 0,
            interval,
            ceiling,
            states: buffer(size * (ceiling + 1)),
            saved: buffer(shape.saved * ceiling),
            tangent: buffer(size * count),
            next: buffer(size * count),
            activation: buffer(shape.delta * count),
            // None of the sums that these make of other numbers is zero by chance.
            adjoint: (0..size).map(|i| 1.0 / (1.1 + i as f64).sqrt()).collect(),
            delta: vec![0.0; shape.delta],
            pulled_back: vec![0.0; size],
            options,
        }
    }

    /// The exponents of all steps so far after the transient.
    pub fn spectrum(&mut self) -> Spectrum {
        self.orthonormalise();
        self.exponents.spectrum()
    }

    /// Step t. `at` has one column.
    fn step(&mut self, t: usize, at: &Point) {
        if self.overflow.is_some() {
            return;
        }
        self.forget_unseen(at);
        let (size, saved) = (self.exponents.size(), at.saved.nrows());
        let k = self.pending;
        let keep = |view, to: &mut [f64], rows| {
            kernels::copy(view, ViewMut::from_slice(to, rows, 1));
        };
        let states = &mut self.states[k * size..(k + 2) * size];
        keep(at.previous, &mut states[..size], size);
        keep(at.next, &mut states[size..], size);
        let own = &mut self.saved[k * saved..(k + 1) * saved];
        keep(at.saved, own, saved);
        self.push_forward(k, k == 0);
        self.pending += 1;
        let is_wanted = self.options.times.get(self.next_time) == Some(&t);
        let is_counted_next = t == self.options.transient;
        if self.pending >= self.interval || is_wanted || is_counted_next {
            self.orthonormalise();
            if self.overflow.is_some() {
                return;
            }
        }
        if is_wanted {
            let count = self.exponents.count();
            if t > self.options.transient {
                let from = self.next_time * count;
                (self.exponents).write(&mut self.running_means[from..from + count]);
            }
            self.next_time += 1;
        }
        if is_counted_next {
            self.exponents.discard();
        }
    }

    /// A column of J_t is zero where an adjoint in general position is pulled back to zero.
    fn forget_unseen(&mut self, at: &Point) {
        let (size, rows) = (self.adjoint.len(), self.delta.len());
        let adjoint = AdjointMut {
            carried: View::from_slice(&self.adjoint, size, 1),
            node: None,
            delta: ViewMut::from_slice(&mut self.delta, rows, 1),
            previous: ViewMut::from_slice(&mut self.pulled_back, size, 1),
        };
        self.cell.pull_back(at, adjoint);
        let seen = self.pulled_back.iter().filter(|v| **v != 0.0).count();
        if seen < self.exponents.rank() {
            self.orthonormalise();
            let pulled_back = &self.pulled_back;
            self.exponents.forget(|i| pulled_back[i] == 0.0);
        }
    }

    /// One step of the tangents, that with number k of those that are kept; from Q or from where they are.
    fn push_forward(&mut self, k: usize, from_basis: bool) {
        let shape = self.cell.shape();
        let (size, rank) = (shape.state, self.exponents.rank());
        if rank == 0 {
            return;
        }
        let point = Point {
            previous: View::from_slice(&self.states[k * size..(k + 1) * size], size, 1),
            next: View::from_slice(&self.states[(k + 1) * size..(k + 2) * size], size, 1),
            saved: View::from_slice(
                &self.saved[k * shape.saved..(k + 1) * shape.saved],
                shape.saved,
                1,
            ),
        };
        let tangent = if from_basis {
            self.exponents.basis()
        } else {
            View::from_slice(&self.tangent[..size * rank], size, rank)
        };
        self.cell.push_forward(
            &point,
            tangent,
            ViewMut::from_slice(
                &mut self.activation[..shape.delta * rank],
                shape.delta,
                rank,
            ),
            ViewMut::from_slice(&mut self.next[..size * rank], size, rank),
        );
        std::mem::swap(&mut self.tangent, &mut self.next);
    }

    /// Gives the steps that are pending to the exponents, in portions if need be.
    fn orthonormalise(&mut self) {
        let (size, total) = (self.exponents.size(), std::mem::take(&mut self.pending));
        let (mut done, mut portion) = (0, total);
        while done < total {
            let steps = portion.min(total - done);
            // What is pending has gone through all of its steps already.
            if done > 0 || portion < total {
                for k in done..done + steps {
                    self.push_forward(k, k == done);
                }
            }
            let rank = self.exponents.rank();
            let tangent = &self.tangent[..size * rank];
            let is_finite = kernels::all_finite(tangent);
            if !is_finite && steps == 1 {
                self.overflow = Some(self.exponents.time() + 1);
                return;
            }
            let tangent = View::from_slice(tangent, size, rank);
            let condition = is_finite.then(|| self.exponents.advance(steps, tangent));
            match condition {
                Some(Ok(condition)) => {
                    done += steps;
                    self.grow(steps, condition);
                }
                _ => {
                    portion = steps / 2;
                    if self.options.interval == Interval::Automatic {
                        self.ceiling = portion;
                        self.interval = portion;
                    }
                }
            }
        }
    }

    /// A condition number grows about exponentially, from that of Q.
    fn grow(&mut self, steps: usize, condition: f64) {
        let count = self.exponents.count() as f64;
        let is_automatic = self.options.interval == Interval::Automatic;
        if is_automatic && steps == self.interval && condition * condition / count < ONCE {
            self.interval = (2 * self.interval).min(self.ceiling);
        }
    }
}

impl Probe for Lyapunov<'_> {
    fn watches(&self) -> Watches {
        Watches {
            forward: true,
            backward: false,
        }
    }

    fn forward(&mut self, step: &ForwardStep) {
        let at = Point {
            previous: step.point.previous.columns(self.sequence, 1),
            next: step.point.next.columns(self.sequence, 1),
            saved: step.point.saved.columns(self.sequence, 1),
        };
        self.step(step.t, &at);
    }
}

/// The exponents of `cell` along the trajectory of one sequence, from 0, on `tape`.
///
/// # Errors
/// [`NonFinite::Tangent`] at the step whose Jacobian leaves the range of f64.
///
/// # Panics
/// If the tape is not of this cell or has no such sequence, or as [`Lyapunov::new`].
pub fn spectrum(
    cell: &dyn RecurrentCell,
    tape: &Tape,
    sequence: usize,
    options: Options,
) -> Result<Spectrum, NonFinite> {
    let mut probe = Lyapunov::new(cell, sequence, options);
    for t in 1..=tape.steps() {
        let point = tape.point(t);
        let at = Point {
            previous: point.previous.columns(sequence, 1),
            next: point.next.columns(sequence, 1),
            saved: point.saved.columns(sequence, 1),
        };
        probe.step(t, &at);
    }
    let found = probe.spectrum();
    match probe.overflow {
        Some(t) => Err(NonFinite::Tangent { t }),
        None => Ok(found),
    }
}
