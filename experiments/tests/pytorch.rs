//! The cells that PyTorch has, alone and in layers, against PyTorch in f64: trajectories and every gradient, to 1e-10
//! of its norm at each step. `pytorch/README.md` says what the fixtures hold and how they were made.

use std::collections::BTreeMap;
use std::path::Path;

use gradient_tracking::probes::{BlockNorms, InputGradientNorms, ParameterGradient, PathSplit};
use gradient_tracking::scaled::{Scaled, scale_by_power_of_two};
use gradient_tracking::source::{EveryStep, Readout, Target, Terminal};
use gradient_tracking::{
    AdjointSource, BackwardChunk, BackwardStep, Probe, ProbeList, RecurrentCell, Tape, Trainable,
    View, Workspace, backpropagate_layers, rollout_layers,
};
use gru::Gru;
use lstm::Lstm;
use nalgebra::{DMatrix, DVector};
use safetensors::{Dtype, SafeTensors};
use vanilla_rnn::{Activation, VanillaRnn};

/// Both sides round differently, and steps amplify that.
const TOLERANCE: f64 = 1e-10;

/// The tensors of one file; labels as numbers too.
struct Fixture {
    tensors: BTreeMap<String, (Vec<usize>, Vec<f64>)>,
}

impl Fixture {
    fn load(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/pytorch")
            .join(format!("{name}.safetensors"));
        let bytes = std::fs::read(path).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let read = |(name, tensor): (String, safetensors::tensor::TensorView)| {
            let words = tensor.data().chunks_exact(8).map(|w| w.try_into().unwrap());
            let values = match tensor.dtype() {
                Dtype::F64 => words.map(f64::from_le_bytes).collect(),
                Dtype::I64 => words.map(|w| i64::from_le_bytes(w) as f64).collect(),
                other => panic!("{name} is {other:?}"),
            };
            (name, (tensor.shape().to_vec(), values))
        };
        Fixture {
            tensors: tensors.tensors().into_iter().map(read).collect(),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    fn values(&self, name: &str) -> &[f64] {
        let tensor = self.tensors.get(name);
        &tensor.unwrap_or_else(|| panic!("no tensor {name}")).1
    }

    /// (…, B, H) as H×(…·B).
    fn columns(&self, name: &str) -> DMatrix<f64> {
        let values = self.values(name);
        let rows = *self.tensors[name].0.last().unwrap();
        DMatrix::from_column_slice(rows, values.len() / rows, values)
    }

    /// A weight matrix as it is.
    fn matrix(&self, name: &str) -> DMatrix<f64> {
        self.columns(name).transpose()
    }

    fn vector(&self, name: &str) -> DVector<f64> {
        DVector::from_column_slice(self.values(name))
    }

    /// H×B of one layer, out of (layers, B, H).
    fn initial(&self, name: &str, layer: usize) -> DMatrix<f64> {
        let batch = self.tensors[name].0[1];
        self.columns(name)
            .columns(layer * batch, batch)
            .into_owned()
    }

    fn layer(&self, layer: usize, kind: Kind) -> Box<dyn Trainable> {
        let recurrent = self.matrix(&format!("weight_hh_l{layer}"));
        let input = self.matrix(&format!("weight_ih_l{layer}"));
        let [bias_ih, mut bias_hh] = ["ih", "hh"].map(|name| match self.has("bias_ih_l0") {
            true => self.vector(&format!("bias_{name}_l{layer}")),
            false => DVector::zeros(recurrent.nrows()),
        });
        match kind {
            Kind::Rnn(activation) => {
                let bias = bias_ih + bias_hh;
                Box::new(VanillaRnn::new(activation, recurrent, input, bias))
            }
            Kind::Lstm => Box::new(Lstm::new(recurrent, input, bias_ih + bias_hh, true)),
            Kind::Gru => {
                let hidden = recurrent.ncols();
                let hidden_bias = bias_hh.rows(2 * hidden, hidden).into_owned();
                bias_hh.rows_mut(2 * hidden, hidden).fill(0.0);
                Box::new(Gru::new(recurrent, input, bias_ih + bias_hh, hidden_bias))
            }
        }
    }

    /// The blocks of the state, one under the other, for `h` and `c` of the given names.
    fn state(&self, h: &str, c: &str) -> DMatrix<f64> {
        stacked(self.columns(h), self.has(c).then(|| self.columns(c)))
    }
}

/// One above the other.
fn stacked(h: DMatrix<f64>, c: Option<DMatrix<f64>>) -> DMatrix<f64> {
    let Some(c) = c else { return h };
    let (rows, columns) = h.shape();
    let mut state = DMatrix::zeros(2 * rows, columns);
    state.rows_mut(0, rows).copy_from(&h);
    state.rows_mut(rows, rows).copy_from(&c);
    state
}

/// Keeps the gradients themselves, of which the crate's probes keep norms.
struct Gradients<'a> {
    cell: &'a dyn Trainable,
    /// t = 0…T, S×B each.
    node: Vec<DMatrix<f64>>,
    carried: Vec<DMatrix<f64>>,
    /// I×(T·B).
    input: DMatrix<f64>,
}

fn unscaled(scaled: Scaled) -> DMatrix<f64> {
    let mut values = scaled.values.into_owned();
    for (mut column, exponent) in values.column_iter_mut().zip(scaled.exponents) {
        column.apply(|v| *v = scale_by_power_of_two(*v, *exponent));
    }
    values
}

impl Probe for Gradients<'_> {
    fn backward(&mut self, step: &BackwardStep) {
        self.node[step.t] = unscaled(step.node);
        self.carried[step.t] = unscaled(step.carried);
    }

    fn backward_chunk(&mut self, chunk: &BackwardChunk) {
        let deltas = unscaled(chunk.deltas);
        let first = (chunk.first_step - 1) * chunk.batch;
        let mut part = self.input.columns_mut(first, deltas.ncols());
        self.cell
            .pull_back_input(deltas.as_view(), part.as_view_mut());
    }
}

/// Norms are compared, not elements: an element may be small by cancellation.
#[track_caller]
fn assert_close(what: &str, value: View, expected: View) {
    assert_eq!(value.shape(), expected.shape(), "{what}");
    let error = (value - expected).norm();
    let norm = expected.norm();
    assert!(
        error <= TOLERANCE * norm,
        "{what}: error {error:e} of {norm:e}"
    );
}

#[track_caller]
fn assert_close_in_log10(what: &str, log10_norm: f64, expected_norm: f64) {
    let expected = expected_norm.log10();
    assert!(
        log10_norm == expected || (log10_norm - expected).abs() <= TOLERANCE,
        "{what}: log10 norm {log10_norm} should be {expected}"
    );
}

/// Which cell a fixture's weights are for.
#[derive(Clone, Copy)]
enum Kind {
    Rnn(Activation),
    Lstm,
    Gru,
}

const TANH: Kind = Kind::Rnn(Activation::Tanh);
const RELU: Kind = Kind::Rnn(Activation::Relu);

/// A fixture and our rollout of its network.
struct Network {
    name: &'static str,
    fixture: Fixture,
    layers: Vec<Box<dyn Trainable>>,
    inputs: DMatrix<f64>,
    tapes: Vec<Tape>,
}

/// What the probes of one layer have seen.
struct Seen<'a> {
    gradients: Gradients<'a>,
    norms: BlockNorms,
    input_norms: InputGradientNorms<'a>,
    parameters: ParameterGradient,
    paths: Option<PathSplit>,
}

impl Network {
    fn roll_out(name: &'static str, kind: Kind) -> Self {
        let fixture = Fixture::load(name);
        let layers: Vec<_> = (0..fixture.tensors["h_0"].0[0])
            .map(|layer| fixture.layer(layer, kind))
            .collect();
        let inputs = fixture.columns("input");
        let initial: Vec<_> = (0..layers.len())
            .map(|layer| {
                let c = fixture.has("c_0").then(|| fixture.initial("c_0", layer));
                stacked(fixture.initial("h_0", layer), c)
            })
            .collect();
        let mut network = Network {
            name,
            fixture,
            tapes: vec![Tape::new(); layers.len()],
            layers,
            inputs,
        };
        let mut tapes = std::mem::take(&mut network.tapes);
        let initial: Vec<View> = initial.iter().map(|initial| initial.as_view()).collect();
        let (cells, inputs) = (network.cells(), network.inputs.as_view());
        rollout_layers(&cells, inputs, &initial, &mut tapes, &mut []).unwrap();
        network.tapes = tapes;
        network
    }

    fn cells(&self) -> Vec<&dyn RecurrentCell> {
        let layers = self.layers.iter();
        layers.map(|layer| &**layer as &dyn RecurrentCell).collect()
    }

    /// The fixture's name for a quantity of one layer: a single layer goes without a suffix.
    fn name_of(&self, quantity: &str, layer: usize) -> String {
        match self.layers.len() {
            1 => quantity.to_owned(),
            _ => format!("{quantity}_l{layer}"),
        }
    }

    fn steps(&self) -> usize {
        self.tapes[0].steps()
    }

    fn batch(&self) -> usize {
        self.tapes[0].batch()
    }

    fn check_trajectory(&self) {
        for (layer, tape) in self.tapes.iter().enumerate() {
            let [h, c] = ["h", "c"].map(|name| self.name_of(name, layer));
            let states = self.fixture.state(&h, &c);
            for t in 1..=self.steps() {
                let what = format!("{}: state of layer {layer} at t = {t}", self.name);
                let expected = states.columns((t - 1) * self.batch(), self.batch());
                assert_close(&what, tape.state(t), expected.as_view());
            }
        }
    }

    /// Every loss the file holds.
    fn check_losses(&self) {
        let fixture = &self.fixture;
        let mut checked = 0;
        if fixture.has("terminal.loss") {
            let adjoint = fixture.columns("terminal.adjoint");
            let mut source = Terminal {
                steps: self.steps(),
                adjoint: adjoint.as_view(),
            };
            self.check_gradients("terminal", &mut source);
            checked += 1;
        }
        if fixture.has("every-step.loss") {
            let adjoints = fixture.columns("every-step.adjoint");
            let mut source = EveryStep {
                adjoints: adjoints.as_view(),
            };
            self.check_gradients("every-step", &mut source);
            checked += 1;
        }
        if fixture.has("cross-entropy.loss") {
            let labels = fixture.values("cross-entropy.labels");
            let labels: Vec<usize> = labels.iter().map(|label| *label as usize).collect();
            self.check_readout("cross-entropy", Target::CrossEntropy(&labels));
            checked += 1;
        }
        if fixture.has("squared-error.loss") {
            let targets = fixture.columns("squared-error.targets");
            self.check_readout("squared-error", Target::SquaredError(targets.as_view()));
            checked += 1;
        }
        let stored = fixture.tensors.keys().filter(|key| key.ends_with(".loss"));
        assert_eq!(checked, stored.count(), "losses of {}", self.name);
    }

    fn check_readout(&self, loss: &str, target: Target) {
        let fixture = &self.fixture;
        let weights = fixture.matrix("readout.weight");
        let bias = fixture.vector("readout.bias");
        let mut readout = Readout::new(weights, bias, target, 1, self.batch());
        self.check_gradients(loss, &mut readout);
        let expected = fixture.values(&format!("{loss}.loss"))[0];
        assert!((readout.loss - expected).abs() <= TOLERANCE * expected);
        assert_close(
            &format!("{}, {loss}: readout weights", self.name),
            readout.weights_gradient.as_view(),
            fixture
                .matrix(&format!("{loss}.grad.readout.weight"))
                .as_view(),
        );
        assert_close(
            &format!("{}, {loss}: readout bias", self.name),
            View::from_slice(readout.bias_gradient.as_slice(), readout.bias.len(), 1),
            fixture
                .columns(&format!("{loss}.grad.readout.bias"))
                .as_view(),
        );
    }

    fn check_gradients(&self, loss: &str, source: &mut dyn AdjointSource) {
        let (steps, batch) = (self.steps(), self.batch());
        let unset = vec![DMatrix::zeros(0, 0); steps + 1];
        let mut seen: Vec<Seen> = self
            .layers
            .iter()
            .map(|cell| Seen {
                gradients: Gradients {
                    cell: &**cell,
                    node: unset.clone(),
                    carried: unset.clone(),
                    input: DMatrix::zeros(cell.shape().input, steps * batch),
                },
                norms: BlockNorms::new(&**cell, steps, batch, false),
                input_norms: InputGradientNorms::new(&**cell, steps, batch, false),
                parameters: ParameterGradient::new(&**cell, steps, batch),
                paths: PathSplit::new(&**cell, steps, batch),
            })
            .collect();
        let mut lists: Vec<Vec<&mut dyn Probe>> = seen
            .iter_mut()
            .map(|seen| {
                let mut probes: Vec<&mut dyn Probe> = vec![
                    &mut seen.gradients,
                    &mut seen.norms,
                    &mut seen.input_norms,
                    &mut seen.parameters,
                ];
                if let Some(paths) = &mut seen.paths {
                    probes.push(paths);
                }
                probes
            })
            .collect();
        let mut lists: Vec<ProbeList> = lists.iter_mut().map(|list| &mut list[..]).collect();
        backpropagate_layers(
            &self.cells(),
            self.inputs.as_view(),
            &self.tapes,
            source,
            None,
            &mut vec![Workspace::new(); self.layers.len()],
            &mut lists,
        )
        .unwrap();
        for (layer, seen) in seen.iter().enumerate() {
            self.check_states(loss, layer, seen);
            self.check_parameters(loss, layer, &seen.parameters);
            assert_eq!(seen.paths.is_some(), self.fixture.has("c_0"));
            if let Some(paths) = &seen.paths {
                self.check_paths(loss, layer, paths);
            }
        }
        self.check_inputs(loss, &seen[0]);
    }

    fn check_states(&self, loss: &str, layer: usize, seen: &Seen) {
        let tensor = |quantity| format!("{loss}.grad.{}", self.name_of(quantity, layer));
        let node = self.fixture.state(&tensor("h"), &tensor("c"));
        // Of the top layer h_carried is h.
        let h_carried = match self.fixture.has(&tensor("h_carried")) {
            true => tensor("h_carried"),
            false => tensor("h"),
        };
        assert_eq!(h_carried == tensor("h"), layer + 1 == self.layers.len());
        let carried = self.fixture.state(&h_carried, &tensor("c_carried"));
        let blocks = self.layers[layer].state_blocks();
        for t in 0..=self.steps() {
            for (block, norms) in blocks.iter().zip(&seen.norms.blocks) {
                let check = |kind, found: &DMatrix<f64>, log10_norm, expected: &DMatrix<f64>| {
                    let what = format!(
                        "{}, {loss}: {kind} {} of layer {layer} at t = {t}",
                        self.name, block.name
                    );
                    let found = found.rows_range(block.rows.clone()).into_owned();
                    let expected = expected
                        .columns(t * self.batch(), self.batch())
                        .rows_range(block.rows.clone())
                        .into_owned();
                    assert_close(&what, found.as_view(), expected.as_view());
                    assert_close_in_log10(&what, log10_norm, expected.norm());
                };
                let (node_norm, carried_norm) =
                    (norms.node.log10_norm[t], norms.carried.log10_norm[t]);
                check("node", &seen.gradients.node[t], node_norm, &node);
                check(
                    "carried",
                    &seen.gradients.carried[t],
                    carried_norm,
                    &carried,
                );
            }
        }
    }

    fn check_inputs(&self, loss: &str, bottom: &Seen) {
        let all = self.fixture.columns(&format!("{loss}.grad.input"));
        let log10_norm = &bottom.input_norms.norms.log10_norm;
        for t in 1..=self.steps() {
            let what = format!("{}, {loss}: x at t = {t}", self.name);
            let first = (t - 1) * self.batch();
            let found = bottom.gradients.input.columns(first, self.batch());
            let expected = all.columns(first, self.batch());
            assert_close(&what, found.as_view(), expected.as_view());
            assert_close_in_log10(&what, log10_norm[t - 1], expected.norm());
        }
    }

    fn check_parameters(&self, loss: &str, layer: usize, gradient: &ParameterGradient) {
        let found = gradient.to_f64();
        let is_gru = self.layers[layer].gate_names() == ["r", "z"];
        for block in self.layers[layer].parameter_blocks() {
            let name = |name: &str| format!("{loss}.grad.{name}_l{layer}");
            let expected = match block.name.as_str() {
                "bias" if !self.fixture.has("bias_ih_l0") => continue,
                "bias" if is_gru => {
                    // b_in, b_r, b_z and b_hn.
                    let [of_input, of_hidden] =
                        ["bias_ih", "bias_hh"].map(|bias| self.fixture.columns(&name(bias)));
                    let hidden = of_input.nrows() / 3;
                    let mut bias = DMatrix::zeros(4 * hidden, 1);
                    let candidate = of_input.rows(2 * hidden, hidden);
                    bias.rows_mut(0, hidden).copy_from(&candidate);
                    bias.rows_mut(hidden, 3 * hidden).copy_from(&of_hidden);
                    bias
                }
                "bias" => self.fixture.columns(&name("bias_ih")),
                "weight_ih" if is_gru => {
                    // n before r and z.
                    let mut weights = self.fixture.matrix(&name("weight_ih"));
                    let hidden = weights.nrows() / 3;
                    for mut column in weights.column_iter_mut() {
                        column.as_mut_slice().rotate_right(hidden);
                    }
                    weights
                }
                weights => self.fixture.matrix(&name(weights)),
            };
            assert_close(
                &format!("{}, {loss}: {} of layer {layer}", self.name, block.name),
                View::from_slice(&found[block.range.clone()], expected.nrows(), block.columns),
                expected.as_view(),
            );
        }
    }

    fn check_paths(&self, loss: &str, layer: usize, paths: &PathSplit) {
        let tensor = |quantity| format!("{loss}.grad.{}", self.name_of(quantity, layer));
        let all = self.fixture.columns(&tensor("c"));
        let direct = self.fixture.columns(&tensor("c_direct"));
        for t in 0..=self.steps() {
            let what = format!(
                "{}, {loss}: paths to c of layer {layer} at t = {t}",
                self.name
            );
            let first = t * self.batch();
            let all = all.columns(first, self.batch());
            let direct = direct.columns(first, self.batch());
            assert_close_in_log10(&what, paths.direct.log10_norm[t], direct.norm());
            // The difference cancels, so its error is a fraction of the whole.
            let gated = 10f64.powf(paths.gated.log10_norm[t]);
            let error = (gated - (all - direct).norm()).abs();
            assert!(error <= TOLERANCE * all.norm(), "{what}: error {error:e}");
        }
    }
}

fn check(name: &'static str, kind: Kind) {
    let network = Network::roll_out(name, kind);
    network.check_trajectory();
    network.check_losses();
}

#[test]
fn tanh_network_agrees_with_pytorch() {
    check("tanh", TANH);
}

#[test]
fn relu_network_agrees_with_pytorch() {
    check("relu", RELU);
}

#[test]
fn lstm_agrees_with_pytorch() {
    check("lstm", Kind::Lstm);
}

#[test]
fn wide_networks_agree_with_pytorch() {
    check("tanh-wide", TANH);
    check("lstm-wide", Kind::Lstm);
}

#[test]
fn lstm_over_several_chunks_of_steps_agrees_with_pytorch() {
    check("lstm-long", Kind::Lstm);
}

#[test]
fn layers_of_tanh_networks_agree_with_pytorch() {
    check("tanh-2-layers", TANH);
    check("tanh-3-layers-no-bias", TANH);
}

#[test]
fn layers_of_relu_networks_agree_with_pytorch() {
    check("relu-2-layers-no-bias", RELU);
    check("relu-3-layers", RELU);
}

#[test]
fn layers_of_lstms_agree_with_pytorch() {
    check("lstm-2-layers", Kind::Lstm);
    check("lstm-2-layers-no-bias", Kind::Lstm);
    check("lstm-3-layers", Kind::Lstm);
    check("lstm-3-layers-no-bias", Kind::Lstm);
}

#[test]
fn gru_agrees_with_pytorch() {
    check("gru", Kind::Gru);
    check("gru-wide", Kind::Gru);
    check("gru-long", Kind::Gru);
}

#[test]
fn layers_of_grus_agree_with_pytorch() {
    check("gru-2-layers", Kind::Gru);
    check("gru-2-layers-no-bias", Kind::Gru);
    check("gru-3-layers", Kind::Gru);
}
