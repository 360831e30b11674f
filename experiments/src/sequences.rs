//! The inputs and adjoints of a run, drawn from their named streams.

use std::ops::Range;

use cell_config::Streams;
use gradient_tracking::{Inputs, View};
use nalgebra::DMatrix;
use rand::Rng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::config::{Input, LossKind, Sequence};

/// Inputs read from a file, T×B×I, the last index fastest: the order of the columns of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct InputArray {
    /// T, B, I.
    pub shape: [usize; 3],
    /// T·B·I values.
    pub values: Vec<f64>,
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
}

impl<'a> RunInputs<'a> {
    /// # Panics
    /// If the inputs come from a file and `file` is not the T×B×I array that the sequence asks for.
    pub fn new(
        sequence: &'a Sequence,
        streams: &Streams,
        file: Option<&'a InputArray>,
        reused: Vec<f64>,
    ) -> Self {
        if let Input::File { .. } = sequence.input {
            let file = file.expect("the inputs' file was read");
            let wanted = [sequence.steps, sequence.batch, sequence.input.size()];
            assert_eq!(file.shape, wanted, "shape of the inputs");
        }
        RunInputs {
            sequence,
            file,
            streams: *streams,
            positions: vec![(1, 0)],
            drawn: 0..0,
            values: reused,
        }
    }

    /// The buffer, to be used again.
    pub fn into_buffer(self) -> Vec<f64> {
        self.values
    }

    fn draw(&mut self, times: &Range<usize>) {
        let (batch, size) = (self.sequence.batch, self.sequence.input.size());
        let step = batch * size;
        self.values.clear();
        self.values.resize(times.len() * step, 0.0);
        match &self.sequence.input {
            Input::Gaussian { std, .. } => self.add_noise(times, *std),
            Input::Zero { .. } => {}
            Input::Constant { value, .. } => self.values.fill(*value),
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

/// Random unit adjoints on the output, one per sequence: H×B for a loss at the end, H×(T·B) for
/// one at every step. Drawn column by column, so that more sequences change none of the first.
pub fn adjoints(
    kind: LossKind,
    hidden: usize,
    sequence: &Sequence,
    streams: &Streams,
) -> DMatrix<f64> {
    let steps = match kind {
        LossKind::Terminal => 1,
        LossKind::EveryStep => sequence.steps,
    };
    let mut stream = adjoint_stream(kind, hidden, streams);
    draw_adjoints(hidden, sequence.batch * steps, &mut stream)
}

/// The adjoints of [`adjoints`] for a loss at every step, those of some steps alone: H×(n·B), steps in
/// rising order.
pub fn adjoints_at(
    loss_times: &[usize],
    hidden: usize,
    sequence: &Sequence,
    streams: &Streams,
) -> DMatrix<f64> {
    let batch = sequence.batch;
    let mut stream = adjoint_stream(LossKind::EveryStep, hidden, streams);
    let mut kept = DMatrix::zeros(hidden, loss_times.len() * batch);
    for t in 1..=loss_times.last().copied().unwrap_or(0) {
        let drawn = draw_adjoints(hidden, batch, &mut stream);
        if let Ok(index) = loss_times.binary_search(&t) {
            kept.columns_mut(index * batch, batch).copy_from(&drawn);
        }
    }
    kept
}

fn adjoint_stream(kind: LossKind, hidden: usize, streams: &Streams) -> ChaCha8Rng {
    let name: &[&str] = match kind {
        LossKind::Terminal => &["adjoint"],
        LossKind::EveryStep => &["adjoint", "every step"],
    };
    streams.stream(name, &[hidden])
}

/// The next random unit vectors of a stream.
fn draw_adjoints(hidden: usize, columns: usize, stream: &mut impl Rng) -> DMatrix<f64> {
    let mut adjoints = DMatrix::zeros(hidden, columns);
    fill_with_normals(adjoints.as_mut_slice(), 1.0, stream);
    for mut column in adjoints.column_iter_mut() {
        column.normalize_mut();
    }
    adjoints
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
            steps,
            batch,
            input,
        }
    }

    fn inputs(sequence: &Sequence) -> DMatrix<f64> {
        let mut inputs = RunInputs::new(sequence, &STREAMS, None, vec![1.0; 7]);
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
            let mut parts = RunInputs::new(&sequence, &STREAMS, None, Vec::new());
            for times in [1..5, 5..9, 9..11, 9..11, 5..9, 1..5] {
                let columns = (times.start - 1) * 2..(times.end - 1) * 2;
                let wanted = whole.columns_range(columns).into_owned();
                assert_eq!(parts.segment(times).into_owned(), wanted);
            }
        }
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
        let draw = |batch| {
            let input = Input::Zero { size: 1 };
            adjoints(LossKind::Terminal, 5, &sequence(3, batch, input), &STREAMS)
        };
        assert_eq!(draw(6).columns(0, 2).into_owned(), draw(2));
        for column in draw(6).column_iter() {
            assert!((column.norm() - 1.0).abs() < 1e-15);
        }
    }

    #[test]
    fn losses_of_some_steps_are_those_of_a_loss_at_every_step() {
        let sequence = sequence(9, 3, Input::Zero { size: 1 });
        let all = adjoints(LossKind::EveryStep, 5, &sequence, &STREAMS);
        let some = adjoints_at(&[2, 9], 5, &sequence, &STREAMS);
        assert_eq!(some.columns(0, 3), all.columns(3, 3));
        assert_eq!(some.columns(3, 3), all.columns(24, 3));
    }

    /// The first inputs and adjoints of seed 20 may never change: stored results depend on them.
    #[test]
    fn values_are_stable() {
        let input = Input::Gaussian { size: 2, std: 1.0 };
        let drawn = inputs(&sequence(1, 2, input.clone()));
        assert_eq!(drawn.as_slice(), PINNED_INPUTS);
        let drawn = adjoints(LossKind::Terminal, 2, &sequence(1, 2, input), &STREAMS);
        assert_eq!(drawn.as_slice(), PINNED_ADJOINTS);
    }

    const PINNED_INPUTS: [f64; 4] = [
        -0.5272941832704627,
        -1.4768881460966858,
        0.10213284785359629,
        1.7836472474419607,
    ];
    const PINNED_ADJOINTS: [f64; 4] = [
        0.883752113613411,
        0.46795534154855933,
        -0.46023983627313153,
        -0.88779462327009,
    ];
}
