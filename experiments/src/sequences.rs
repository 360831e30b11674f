//! The inputs and adjoints of a run, drawn from their named streams.

use cell_config::Streams;
use nalgebra::DMatrix;
use rand::Rng;
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

/// The inputs x_1…x_T side by side, I×(T·B).
///
/// Their stream is keyed by the shape of one step, so a longer sequence starts with the shorter
/// one and every cell faces the same inputs.
///
/// # Panics
/// If the inputs come from a file and `file` is not the T×B×I array that the sequence asks for.
pub fn inputs(
    sequence: &Sequence,
    streams: &Streams,
    file: Option<&InputArray>,
    reused: Vec<f64>,
) -> DMatrix<f64> {
    let (steps, batch, size) = (sequence.steps, sequence.batch, sequence.input.size());
    let mut values = reused;
    values.clear();
    values.resize(steps * batch * size, 0.0);
    let add_noise = |values: &mut [f64], std: f64| {
        let mut stream = streams.stream(&["inputs"], &[size, batch]);
        fill_with_normals(values, std, &mut stream);
    };
    match &sequence.input {
        Input::Gaussian { std, .. } => add_noise(&mut values, *std),
        Input::Zero { .. } => {}
        Input::Constant { value, .. } => values.fill(*value),
        Input::Pulse {
            value,
            at,
            width,
            std,
            ..
        } => {
            if *std != 0.0 {
                add_noise(&mut values, *std);
            }
            let step = batch * size;
            let end = (at - 1 + width).min(steps);
            for v in &mut values[(at - 1) * step..end * step] {
                *v += value;
            }
        }
        Input::File { .. } => {
            let file = file.expect("the inputs' file was read");
            assert_eq!(file.shape, [steps, batch, size], "shape of the inputs");
            values.copy_from_slice(&file.values);
        }
    }
    DMatrix::from_vec(size, steps * batch, values)
}

/// Random unit adjoints on the output, one per sequence: H×B for a loss at the end, H×(T·B) for
/// one at every step. Drawn column by column, so that more sequences change none of the first.
pub fn adjoints(
    kind: LossKind,
    hidden: usize,
    sequence: &Sequence,
    streams: &Streams,
) -> DMatrix<f64> {
    let (name, columns): (&[&str], _) = match kind {
        LossKind::Terminal => (&["adjoint"], sequence.batch),
        LossKind::EveryStep => (&["adjoint", "every step"], sequence.batch * sequence.steps),
    };
    let mut stream = streams.stream(name, &[hidden]);
    let mut adjoints = DMatrix::zeros(hidden, columns);
    fill_with_normals(adjoints.as_mut_slice(), 1.0, &mut stream);
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

    #[test]
    fn longer_sequences_start_with_the_shorter_ones() {
        let input = Input::Gaussian { size: 3, std: 2.0 };
        let draw = |steps| {
            inputs(
                &sequence(steps, 4, input.clone()),
                &STREAMS,
                None,
                vec![1.0; 7],
            )
        };
        assert_eq!(draw(9).columns(0, 5 * 4).into_owned(), draw(5));
    }

    #[test]
    fn a_standard_deviation_scales_the_same_draw() {
        let draw = |std| {
            let input = Input::Gaussian { size: 3, std };
            inputs(&sequence(5, 2, input), &STREAMS, None, Vec::new())
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
        let drawn = inputs(&sequence(4, 2, input), &STREAMS, None, Vec::new());
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

    /// The first inputs and adjoints of seed 20 may never change: stored results depend on them.
    #[test]
    fn values_are_stable() {
        let input = Input::Gaussian { size: 2, std: 1.0 };
        let drawn = inputs(&sequence(1, 2, input.clone()), &STREAMS, None, Vec::new());
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
