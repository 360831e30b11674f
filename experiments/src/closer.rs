//! A closer look at a network: what is a property of its whole state, layers and all.
//!
//! It takes a way forward and back of its own, in which the layers are one cell.

use std::collections::BTreeMap;

use gradient_tracking::probes::{LossState, SingularValues};
use gradient_tracking::source::Terminal;
use gradient_tracking::{
    Horizon, Inputs, NonFinite, Probe, Probes, RecurrentCell, Stack, Tape, Trainable, View,
    Workspace, with_checkpoints,
};
use lyapunov::{Lyapunov, Options};
use nalgebra::DMatrix;

use crate::grids;
use crate::record::{Array, LOSS_STATE, LYAPUNOV, LYAPUNOV_BY_STEP, SINGULAR_VALUES};

/// What to look at.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// The singular values of ∂s_T/∂s_t of the first sequence.
    pub singular_values: bool,
    /// The Lyapunov exponents of the first sequence, all of them.
    pub lyapunov: bool,
    /// The loss × state matrix: the adjoints of its losses, H×(n·B), at [`grids::loss_times`].
    pub loss_state: Option<View<'a>>,
}

/// These layers, the one that sees the inputs first, as one cell.
///
/// # Panics
/// If they do not fit each other.
pub fn one_cell(mut layers: Vec<Box<dyn Trainable>>) -> Box<dyn Trainable> {
    if layers.len() == 1 {
        layers.remove(0)
    } else {
        Box::new(Stack::new(layers).expect("layers that ran fit each other"))
    }
}

/// The arrays of a record that hold what is `wanted`, over one trajectory of `cell`. `initial`: s_0,
/// S×B.
///
/// # Errors
/// [`NonFinite`] if a number leaves the range of f64.
pub fn look(
    cell: &dyn RecurrentCell,
    horizon: Horizon,
    inputs: &mut dyn Inputs,
    initial: View,
    wanted: Wanted,
    (tape, workspace): (&mut Tape, &mut Workspace),
) -> Result<BTreeMap<String, Array>, NonFinite> {
    let (shape, steps, batch) = (cell.shape(), horizon.steps, initial.ncols());
    let mut singular_values = wanted
        .singular_values
        .then(|| SingularValues::new(cell, grids::times(steps)));
    let mut loss_state = wanted.loss_state.map(|adjoints| {
        let (losses, states) = (grids::loss_times(steps), grids::state_times(steps));
        LossState::new(cell, losses, states, batch, adjoints)
    });
    let mut exponents = wanted.lyapunov.then(|| {
        let options = Options {
            transient: grids::transient(steps),
            times: grids::exponent_times(steps),
            ..Options::default()
        };
        Lyapunov::new(cell, 0, options)
    });
    let mut forward: Vec<&mut dyn Probe> = Vec::new();
    forward.extend(exponents.as_mut().map(|probe| probe as &mut dyn Probe));
    // None of them has to do with the loss of a run.
    let nothing = DMatrix::zeros(shape.output, batch);
    let mut source = Terminal {
        steps,
        adjoint: nothing.as_view(),
    };
    let probes = [
        singular_values
            .as_mut()
            .map(|probe| probe as &mut dyn Probe),
        loss_state.as_mut().map(|probe| probe as &mut dyn Probe),
    ];
    let mut backward: Vec<&mut dyn Probe> = probes.into_iter().flatten().collect();
    with_checkpoints(
        &[cell],
        horizon,
        inputs,
        &[initial],
        &mut source,
        (std::slice::from_mut(tape), std::slice::from_mut(workspace)),
        &mut [Probes {
            forward: &mut forward,
            backward: &mut backward,
        }],
    )?;
    let overflows = [
        singular_values.as_ref().and_then(|probe| probe.overflow),
        loss_state.as_ref().and_then(|probe| probe.overflow),
    ];
    if let Some(t) = overflows.into_iter().flatten().max() {
        return Err(NonFinite::Adjoint { layer: None, t });
    }
    if let Some(t) = exponents.as_ref().and_then(|probe| probe.overflow) {
        return Err(NonFinite::Tangent { t });
    }
    let mut arrays = BTreeMap::new();
    if let Some(mut probe) = exponents {
        let found = probe.spectrum();
        let pairs = found.exponents.iter().zip(&found.standard_errors);
        // A record holds no NaN.
        let or_none = |error: f64| {
            if error.is_nan() {
                f64::NEG_INFINITY
            } else {
                error
            }
        };
        let pairs = pairs.flat_map(|(exponent, error)| [*exponent, or_none(*error)]);
        arrays.insert(LYAPUNOV.to_owned(), Array::rows(2, pairs.collect()));
        let means = Array::rows(shape.state, probe.running_means);
        arrays.insert(LYAPUNOV_BY_STEP.to_owned(), means);
    }
    if let Some(probe) = singular_values {
        let values = Array::rows(shape.state, probe.log10_values);
        arrays.insert(SINGULAR_VALUES.to_owned(), values);
    }
    if let Some(probe) = loss_state {
        let columns = probe.state_times.len();
        for (name, values) in probe.blocks {
            arrays.insert(format!("{LOSS_STATE}{name}"), Array::rows(columns, values));
        }
    }
    Ok(arrays)
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use nalgebra::DVector;
    use vanilla_rnn::{Activation, VanillaRnn};

    use super::*;

    struct Silence(DMatrix<f64>);

    impl Inputs for Silence {
        fn segment(&mut self, times: Range<usize>) -> View<'_> {
            self.0.columns(0, times.len())
        }
    }

    /// The state stays at rest, where J = W is out of range of a sum of two.
    #[test]
    fn a_jacobian_out_of_range_is_said_of_what_overflowed() {
        let cell = VanillaRnn::new(
            Activation::Tanh,
            DMatrix::from_row_slice(2, 2, &[1.0, 1.0, 1.0, -1.0]) * 1.5e308,
            DMatrix::zeros(2, 1),
            DVector::zeros(2),
        );
        let wanted = Wanted {
            singular_values: false,
            lyapunov: true,
            loss_state: None,
        };
        let steps = 20;
        let horizon = Horizon {
            steps,
            segment: steps,
            truncation: None,
        };
        let found = look(
            &cell,
            horizon,
            &mut Silence(DMatrix::zeros(1, steps)),
            DMatrix::zeros(2, 1).as_view(),
            wanted,
            (&mut Tape::new(), &mut Workspace::new()),
        );
        assert_eq!(found, Err(NonFinite::Tangent { t: 2 }));
    }
}
