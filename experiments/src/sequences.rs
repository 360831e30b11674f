//! The inputs and adjoints of a run, drawn from their named streams.

use std::ops::Range;

use cell_config::Streams;
use gradient_tracking::{AdjointSource, Inputs, View, ViewMut};
use nalgebra::DMatrix;
use rand::Rng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::config::{Input, Sequence};

/// Inputs read from a file, T×B×I, the last index fastest: the order of the columns of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct InputArray {
    /// T, B, I.
    pub shape: [usize; 3],
    /// T·B·I values.
    pub values: Vec<f64>,
}

/// Whole inputs that have been drawn, for the next run that is fed the same: all cells and gains of a
/// replicate are. Drawing them anew for each was some percent of a sweep.
#[derive(Default)]
pub struct DrawnInputs {
    /// Of what they are the inputs, those used last at the end.
    kept: Vec<(Streams, Sequence, Vec<f64>)>,
    /// A buffer that is free.
    spare: Vec<f64>,
}

impl DrawnInputs {
    /// How many numbers are kept, unless a single run has more: 4 MiB.
    pub const MOST: usize = 1 << 19;

    fn take(&mut self, streams: &Streams, sequence: &Sequence) -> Option<Vec<f64>> {
        let mut kept = self.kept.iter();
        let index = kept.position(|(s, q, _)| s == streams && q == sequence)?;
        Some(self.kept.remove(index).2)
    }

    /// Keeps no more than leaves room for so many numbers, which are about to be drawn. What is no
    /// longer kept may be where they go.
    fn make_room(&mut self, numbers: usize, buffer: &mut Vec<f64>) {
        let kept = |kept: &[(_, _, Vec<f64>)]| kept.iter().map(|(.., v)| v.len()).sum::<usize>();
        while !self.kept.is_empty() && kept(&self.kept) + numbers > Self::MOST {
            let (.., oldest) = self.kept.remove(0);
            if oldest.len() == numbers {
                *buffer = oldest;
            }
        }
    }

    /// Keeps what room was made for.
    fn keep(&mut self, streams: Streams, sequence: Sequence, values: Vec<f64>) {
        self.kept.push((streams, sequence, values));
    }
}

/// The inputs of a run, drawn segment by segment of its steps.
///
/// Their stream is keyed by the shape of one step, so a longer sequence starts with the shorter
/// one and every cell faces the same inputs. A segment that has been drawn before is drawn again
/// from where the generator was at its start, which is all that is kept of it.
pub struct RunInputs<'a> {
    sequence: &'a Sequence,
    file: Option<&'a InputArray>,
    streams: Streams,
    /// How far the generator is at the start of each segment so far, and after the last.
    positions: Vec<(usize, u128)>,
    /// The segment drawn last: I×(n·B).
    drawn: Range<usize>,
    values: Vec<f64>,
    before: DrawnInputs,
}

impl<'a> RunInputs<'a> {
    /// # Panics
    /// If the inputs come from a file and `file` is not the T×B×I array that the sequence asks for.
    pub fn new(
        sequence: &'a Sequence,
        streams: &Streams,
        file: Option<&'a InputArray>,
        mut before: DrawnInputs,
    ) -> Self {
        if let Input::File { .. } = sequence.input {
            let file = file.expect("the inputs' file was read");
            let wanted = [sequence.steps, sequence.batch, sequence.input.size()];
            assert_eq!(file.shape, wanted, "shape of the inputs");
        }
        let (drawn, values) = match before.take(streams, sequence) {
            Some(values) => (1..sequence.steps + 1, values),
            None => (0..0, std::mem::take(&mut before.spare)),
        };
        RunInputs {
            sequence,
            file,
            streams: *streams,
            positions: vec![(1, 0)],
            drawn,
            values,
            before,
        }
    }

    /// What has been drawn so far, for the next run.
    pub fn into_drawn(mut self) -> DrawnInputs {
        if self.drawn == (1..self.sequence.steps + 1) {
            let sequence = self.sequence.clone();
            self.before.keep(self.streams, sequence, self.values);
        } else {
            self.before.spare = self.values;
        }
        self.before
    }

    fn draw(&mut self, times: &Range<usize>) {
        let (batch, size) = (self.sequence.batch, self.sequence.input.size());
        let step = batch * size;
        let numbers = times.len() * step;
        self.before.make_room(numbers, &mut self.values);
        self.values.clear();
        if self.values.capacity() != numbers {
            // Neither beside what takes its place nor larger than it need be.
            self.values = Vec::new();
            self.values.reserve_exact(numbers);
        }
        self.values.resize(numbers, 0.0);
        match &self.sequence.input {
            Input::Gaussian { std, .. } => self.add_noise(times, *std),
            Input::Zero { .. } => {}
            Input::Constant { value, .. } => self.values.fill(*value),
            Input::Ramp { from, to, .. } => {
                for (column, x) in self.values.chunks_exact_mut(size).enumerate() {
                    x.fill(ramp(*from, *to, column % batch, batch));
                }
            }
            Input::Pulse {
                value,
                at,
                width,
                std,
                ..
            } => {
                if *std != 0.0 {
                    self.add_noise(times, *std);
                }
                let (from, to) = ((*at).max(times.start), (at + width).min(times.end));
                if from < to {
                    let range = (from - times.start) * step..(to - times.start) * step;
                    self.values[range].iter_mut().for_each(|v| *v += value);
                }
            }
            Input::File { .. } => {
                let file = self.file.expect("checked when made");
                let range = (times.start - 1) * step..(times.end - 1) * step;
                self.values.copy_from_slice(&file.values[range]);
            }
        }
    }

    /// Draws from where the generator is at the start of these times, and keeps where it is at their
    /// end.
    fn add_noise(&mut self, times: &Range<usize>, std: f64) {
        let shape = [self.sequence.input.size(), self.sequence.batch];
        let mut stream = self.streams.stream(&["inputs"], &shape);
        let known = |(start, _): &&(usize, u128)| *start == times.start;
        let (_, position) = self
            .positions
            .iter()
            .rfind(known)
            .expect("segments in order");
        stream.set_word_pos(*position);
        fill_with_normals(&mut self.values, std, &mut stream);
        if self.positions.iter().all(|(start, _)| *start < times.end) {
            self.positions.push((times.end, stream.get_word_pos()));
        }
    }
}

impl Inputs for RunInputs<'_> {
    fn segment(&mut self, times: Range<usize>) -> View<'_> {
        if self.drawn != times {
            self.draw(&times);
            self.drawn = times.clone();
        }
        let columns = times.len() * self.sequence.batch;
        View::from_slice(&self.values, self.sequence.input.size(), columns)
    }
}

/// The value of a sequence, counted from 0, of `count` in equal steps between two values that are met
/// exactly; that of a single sequence is the first.
///
/// ```
/// use experiments::sequences::ramp;
/// let values: Vec<f64> = (0..3).map(|sequence| ramp(-1.0, 2.0, sequence, 3)).collect();
/// assert_eq!(values, [-1.0, 0.5, 2.0]);
/// ```
pub fn ramp(from: f64, to: f64, sequence: usize, count: usize) -> f64 {
    if count < 2 {
        return from;
    }
    let share = sequence as f64 / (count - 1) as f64;
    (1.0 - share) * from + share * to
}

/// Random unit adjoints on the output at the last step, one per sequence: H×B. Drawn column by column,
/// so that more sequences change none of the first.
pub fn terminal_adjoints(hidden: usize, batch: usize, streams: &Streams) -> DMatrix<f64> {
    let mut stream = streams.stream(&["adjoint"], &[hidden]);
    let mut adjoints = DMatrix::zeros(hidden, batch);
    fill_with_unit_columns(adjoints.as_view_mut(), &mut stream);
    adjoints
}

/// A loss at every step: random unit adjoints on the output, one per sequence and step, drawn column by
/// column and step after step.
///
/// The way back needs them from the last to the first. Of all but one segment of the steps only the
/// place of the generator at its start is kept, for which everything before the last segment is drawn
/// once beforehand.
pub struct EveryStepAdjoints {
    hidden: usize,
    batch: usize,
    steps: usize,
    /// Steps per segment.
    segment: usize,
    stream: ChaCha8Rng,
    /// Where the generator is at the start of each segment.
    positions: Vec<u128>,
    /// The segment drawn last: H×(n·B).
    drawn: Range<usize>,
    values: Vec<f64>,
}

impl EveryStepAdjoints {
    /// For a run of `steps` steps of `batch` sequences, of which `segment` are held at once.
    pub fn new(
        hidden: usize,
        steps: usize,
        batch: usize,
        segment: usize,
        streams: &Streams,
    ) -> Self {
        let segment = segment.min(steps);
        let mut stream = streams.stream(&["adjoint", "every step"], &[hidden]);
        let mut positions = vec![stream.get_word_pos()];
        for _ in 1..steps.div_ceil(segment) {
            for _ in 0..segment * batch * hidden {
                let _: f64 = StandardNormal.sample(&mut stream);
            }
            positions.push(stream.get_word_pos());
        }
        EveryStepAdjoints {
            hidden,
            batch,
            steps,
            segment,
            stream,
            positions,
            drawn: 0..0,
            values: Vec::new(),
        }
    }
}

impl AdjointSource for EveryStepAdjoints {
    fn inject(&mut self, t: usize, _: View, mut adjoint: ViewMut) -> bool {
        if !self.drawn.contains(&t) {
            let index = (t - 1) / self.segment;
            let start = 1 + index * self.segment;
            self.drawn = start..(start + self.segment).min(self.steps + 1);
            let columns = self.drawn.len() * self.batch;
            self.values.resize(self.hidden * columns, 0.0);
            self.stream.set_word_pos(self.positions[index]);
            let adjoints = ViewMut::from_slice(&mut self.values, self.hidden, columns);
            fill_with_unit_columns(adjoints, &mut self.stream);
        }
        let columns = self.drawn.len() * self.batch;
        let adjoints = View::from_slice(&self.values, self.hidden, columns);
        adjoint.copy_from(&adjoints.columns((t - self.drawn.start) * self.batch, self.batch));
        true
    }
}

/// The adjoints of [`EveryStepAdjoints`] at some steps alone: H×(n·B), steps in rising order.
pub fn adjoints_at(
    loss_times: &[usize],
    hidden: usize,
    batch: usize,
    streams: &Streams,
) -> DMatrix<f64> {
    let mut stream = streams.stream(&["adjoint", "every step"], &[hidden]);
    let mut drawn = DMatrix::zeros(hidden, batch);
    let mut kept = DMatrix::zeros(hidden, loss_times.len() * batch);
    for t in 1..=loss_times.last().copied().unwrap_or(0) {
        fill_with_unit_columns(drawn.as_view_mut(), &mut stream);
        if let Ok(index) = loss_times.binary_search(&t) {
            kept.columns_mut(index * batch, batch).copy_from(&drawn);
        }
    }
    kept
}

fn fill_with_unit_columns(mut columns: ViewMut, stream: &mut ChaCha8Rng) {
    for mut column in columns.column_iter_mut() {
        fill_with_normals(column.as_mut_slice(), 1.0, stream);
        column.normalize_mut();
    }
}

fn fill_with_normals(values: &mut [f64], std: f64, stream: &mut impl Rng) {
    for value in values {
        let normal: f64 = StandardNormal.sample(stream);
        *value = std * normal;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAMS: Streams = Streams {
        seed: 20,
        replicate: 0,
    };

    fn sequence(steps: usize, batch: usize, input: Input) -> Sequence {
        Sequence {
            initial_state: None,
            steps,
            batch,
            input,
        }
    }

    fn inputs(sequence: &Sequence) -> DMatrix<f64> {
        let mut inputs = RunInputs::new(sequence, &STREAMS, None, DrawnInputs::default());
        inputs.segment(1..sequence.steps + 1).into_owned()
    }

    #[test]
    fn segments_are_parts_of_the_whole_forward_and_again_backward() {
        for input in [
            Input::Gaussian { size: 3, std: 2.0 },
            Input::Pulse {
                size: 3,
                value: 5.0,
                at: 3,
                width: 4,
                std: 0.5,
            },
            Input::Constant {
                size: 3,
                value: 0.5,
            },
        ] {
            let sequence = sequence(10, 2, input);
            let whole = inputs(&sequence);
            let mut parts = RunInputs::new(&sequence, &STREAMS, None, DrawnInputs::default());
            for times in [1..5, 5..9, 9..11, 9..11, 5..9, 1..5] {
                let columns = (times.start - 1) * 2..(times.end - 1) * 2;
                let wanted = whole.columns_range(columns).into_owned();
                assert_eq!(parts.segment(times).into_owned(), wanted);
            }
        }
    }

    /// Runs of every kind after one another, some of them fed like an earlier one, some with so many
    /// numbers that not all are kept, some by segments.
    #[test]
    fn inputs_drawn_before_are_those_that_would_be_drawn() {
        let gaussian = |size| Input::Gaussian { size, std: 1.0 };
        let long = DrawnInputs::MOST / 3;
        let mut before = DrawnInputs::default();
        let mut found = 0;
        for (replicate, steps, batch, input, segment) in [
            (0, 9, 2, gaussian(3), 9),
            (1, 9, 2, gaussian(3), 9),
            (0, 9, 2, gaussian(3), 9),
            (0, 9, 3, gaussian(2), 9),
            (1, 9, 2, gaussian(3), 4),
            (1, 9, 2, Input::Gaussian { size: 3, std: 2.0 }, 9),
            (2, 9, 2, Input::Zero { size: 3 }, 9),
            (0, 9, 2, gaussian(3), 9),
            (0, long, 1, gaussian(1), long),
            (1, long, 1, gaussian(1), long),
            (2, long, 1, gaussian(1), long),
            (3, long, 1, gaussian(1), long),
            (1, long, 1, gaussian(1), long),
            (0, 9, 2, gaussian(3), 9),
            (0, 4 * long, 1, gaussian(1), 4 * long),
            (1, 5 * long, 1, gaussian(1), 5 * long),
            (1, 9, 2, gaussian(3), 9),
        ] {
            let sequence = sequence(steps, batch, input);
            let streams = Streams {
                seed: 20,
                replicate,
            };
            let draw = |before| {
                let mut inputs = RunInputs::new(&sequence, &streams, None, before);
                let is_found = !inputs.drawn.is_empty();
                let mut drawn: Vec<f64> = Vec::new();
                for start in (1..=steps).step_by(segment) {
                    let times = start..(start + segment).min(steps + 1);
                    drawn.extend(inputs.segment(times).iter());
                }
                let kept = inputs.before.kept.iter().map(|(.., values)| values);
                let held = kept.chain([&inputs.values]).map(Vec::capacity);
                let most = DrawnInputs::MOST.max(inputs.values.len());
                assert!(held.sum::<usize>() <= most, "inputs of {sequence:?}");
                (drawn, is_found, inputs.into_drawn())
            };
            let (alone, ..) = draw(DrawnInputs::default());
            let (drawn, is_found, after) = draw(before);
            assert_eq!(drawn, alone);
            found += usize::from(is_found);
            before = after;
        }
        assert_eq!(found, 4);
    }

    #[test]
    fn longer_sequences_start_with_the_shorter_ones() {
        let input = Input::Gaussian { size: 3, std: 2.0 };
        let draw = |steps| inputs(&sequence(steps, 4, input.clone()));
        assert_eq!(draw(9).columns(0, 5 * 4).into_owned(), draw(5));
    }

    #[test]
    fn a_standard_deviation_scales_the_same_draw() {
        let draw = |std| {
            let input = Input::Gaussian { size: 3, std };
            inputs(&sequence(5, 2, input))
        };
        assert_eq!(draw(1.0) * 2.0, draw(2.0));
    }

    #[test]
    fn a_pulse_stands_where_it_was_put_and_nowhere_else() {
        let input = Input::Pulse {
            size: 1,
            value: 3.0,
            at: 2,
            width: 2,
            std: 0.0,
        };
        let drawn = inputs(&sequence(4, 2, input));
        assert_eq!(drawn.as_slice(), [0.0, 0.0, 3.0, 3.0, 3.0, 3.0, 0.0, 0.0]);
    }

    #[test]
    fn adjoints_have_unit_norm_and_do_not_depend_on_the_number_of_sequences() {
        let draw = |batch| terminal_adjoints(5, batch, &STREAMS);
        assert_eq!(draw(6).columns(0, 2).into_owned(), draw(2));
        for column in draw(6).column_iter() {
            assert!((column.norm() - 1.0).abs() < 1e-15);
        }
    }

    /// Any state: adjoints of a given loss do not depend on it.
    fn zero(hidden: usize) -> View<'static> {
        View::from_slice(&[0.0; 64][..hidden], hidden, 1)
    }

    fn every_step(hidden: usize, steps: usize, batch: usize, segment: usize) -> DMatrix<f64> {
        let mut source = EveryStepAdjoints::new(hidden, steps, batch, segment, &STREAMS);
        let mut all = DMatrix::zeros(hidden, steps * batch);
        for t in (1..=steps).rev() {
            let mut column = all.columns_mut((t - 1) * batch, batch);
            assert!(source.inject(t, zero(hidden), column.as_view_mut()));
        }
        all
    }

    #[test]
    fn adjoints_of_segments_are_parts_of_the_whole() {
        let whole = every_step(3, 50, 2, 50);
        for column in whole.column_iter() {
            assert!((column.norm() - 1.0).abs() < 1e-15);
        }
        for segment in [1, 7, 25, 49, 64] {
            assert_eq!(
                every_step(3, 50, 2, segment),
                whole,
                "segments of {segment}"
            );
        }
    }

    #[test]
    fn losses_of_some_steps_are_those_of_a_loss_at_every_step() {
        let all = every_step(5, 9, 3, 9);
        let some = adjoints_at(&[2, 9], 5, 3, &STREAMS);
        assert_eq!(some.columns(0, 3), all.columns(3, 3));
        assert_eq!(some.columns(3, 3), all.columns(24, 3));
    }

    /// The first inputs and adjoints of seed 20 may never change: stored results depend on them.
    #[test]
    fn values_are_stable() {
        let input = Input::Gaussian { size: 2, std: 1.0 };
        let drawn = inputs(&sequence(1, 2, input));
        assert_eq!(drawn.as_slice(), PINNED_INPUTS);
        let drawn = terminal_adjoints(2, 2, &STREAMS);
        assert_eq!(drawn.as_slice(), PINNED_ADJOINTS);
        let mut drawn = DMatrix::zeros(2, 1);
        EveryStepAdjoints::new(2, 3, 1, 3, &STREAMS).inject(1, zero(2), drawn.as_view_mut());
        assert_eq!(drawn.as_slice(), PINNED_EVERY_STEP);
    }

    const PINNED_INPUTS: [f64; 4] = [
        -0.5272941832704627,
        -1.4768881460966858,
        0.10213284785359629,
        1.7836472474419607,
    ];
    const PINNED_EVERY_STEP: [f64; 2] = [-0.7669980953537747, 0.6416493760019423];
    const PINNED_ADJOINTS: [f64; 4] = [
        0.883752113613411,
        0.46795534154855933,
        -0.46023983627313153,
        -0.88779462327009,
    ];
}
