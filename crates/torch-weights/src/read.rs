//! A state dict to layers.

use std::collections::{BTreeMap, BTreeSet};

use nalgebra::{DMatrix, DVector};
use safetensors::tensor::{SafeTensors, TensorView};

use crate::names::{self, Parsed, Part};
use crate::{Kind, Layer, Module, WeightsError, widen};

/// Reads the module called `module`, or the only one there is, from the bytes of a safetensors file.
///
/// # Errors
/// [`WeightsError`], which names the tensor. Of several faults always the same one is reported.
pub fn read(bytes: &[u8], module: Option<&str>) -> Result<Module, WeightsError> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| WeightsError::Damaged {
        reason: error.to_string(),
    })?;
    // By name: the order in which tensors are met must not decide which fault is reported.
    let tensors: BTreeMap<&str, TensorView> = file.iter().collect();
    let modules = names::modules(tensors.keys().copied());
    let name = choose(&tensors, &modules, module)?;

    let mut parts = BTreeMap::new();
    let mut ignored = 0;
    for tensor in tensors.keys().copied() {
        if !names::is_inside(tensor, name, &modules) {
            ignored += 1;
            continue;
        }
        let (own, component) = names::split(tensor);
        let parsed = names::parse(component).filter(|_| own == name);
        let tensor = || tensor.to_owned();
        let Some(Parsed {
            part,
            layer,
            is_reverse,
        }) = parsed
        else {
            return Err(WeightsError::Unknown { tensor: tensor() });
        };
        if is_reverse {
            return Err(WeightsError::Bidirectional { tensor: tensor() });
        }
        if part == Part::WeightHr {
            return Err(WeightsError::Projected { tensor: tensor() });
        }
        parts.insert((layer, part), tensor());
    }

    let found = Found {
        module: name,
        tensors: &tensors,
        parts,
    };
    let (kind, hidden) = found.kind()?;
    let layers = (0..found.layers()).map(|layer| found.layer(layer, kind, hidden));
    Ok(Module {
        name: name.to_owned(),
        kind,
        layers: layers.collect::<Result<_, _>>()?,
        ignored,
    })
}

fn choose<'a>(
    tensors: &BTreeMap<&str, TensorView>,
    modules: &BTreeSet<&'a str>,
    wanted: Option<&str>,
) -> Result<&'a str, WeightsError> {
    let described = || modules.iter().map(|name| describe(tensors, name)).collect();
    let mut names = modules.iter().copied();
    match (wanted, names.next(), modules.len()) {
        (_, None, _) => Err(WeightsError::NoModule {
            found: some_of(tensors),
        }),
        (None, Some(only), 1) => Ok(only),
        (None, ..) => Err(WeightsError::SeveralModules {
            modules: described(),
        }),
        (Some(wanted), ..) => {
            // With or without the dot that ends the prefix.
            let wanted = wanted.strip_suffix('.').unwrap_or(wanted);
            let found = modules.get(wanted).copied();
            found.ok_or_else(|| WeightsError::UnknownModule {
                name: wanted.to_owned(),
                modules: described(),
            })
        }
    }
}

/// `encoder.lstm (LSTM, 2 layers, input 32, hidden 64)`, as far as shapes tell.
fn describe(tensors: &BTreeMap<&str, TensorView>, module: &str) -> String {
    let shape = |part: Part, layer: usize| {
        let name = names::join(module, &format!("{}_l{layer}", part.name()));
        tensors.get(name.as_str()).map(|tensor| tensor.shape())
    };
    let name = if module.is_empty() {
        "the one without a prefix"
    } else {
        module
    };
    match (shape(Part::WeightHh, 0), shape(Part::WeightIh, 0)) {
        (Some(&[rows, hidden]), Some(&[_, input])) if hidden > 0 => {
            let kind = kind_of(rows, hidden);
            let kind = kind.map_or("unknown kind".to_owned(), |kind| kind.to_string());
            let layers = (0..)
                .take_while(|&l| shape(Part::WeightHh, l).is_some())
                .count();
            let plural = if layers == 1 { "" } else { "s" };
            format!("{name} ({kind}, {layers} layer{plural}, input {input}, hidden {hidden})")
        }
        _ => format!("{name} (incomplete)"),
    }
}

/// What has so many rows in W_hh, of so many columns.
fn kind_of(rows: usize, hidden: usize) -> Option<Kind> {
    let fits = |kind: &Kind| hidden.checked_mul(kind.rows_per_unit()) == Some(rows);
    Kind::ALL.into_iter().find(|kind| hidden > 0 && fits(kind))
}

/// The names of a file, as many as one wants to read.
fn some_of(tensors: &BTreeMap<&str, TensorView>) -> String {
    const SHOWN: usize = 6;
    if tensors.is_empty() {
        return "no tensors at all".to_owned();
    }
    let names: Vec<&str> = tensors.keys().copied().take(SHOWN).collect();
    let rest = tensors.len() - names.len();
    let rest = if rest > 0 {
        format!(" and {rest} more")
    } else {
        String::new()
    };
    let hint = if names.iter().any(|name| name.ends_with("weight_hh")) {
        " (of an nn.RNNCell, nn.GRUCell or nn.LSTMCell? append _l0 to its names)"
    } else {
        ""
    };
    format!("{}{rest}{hint}", names.join(", "))
}

/// The tensors of one module.
struct Found<'a> {
    module: &'a str,
    tensors: &'a BTreeMap<&'a str, TensorView<'a>>,
    parts: BTreeMap<(usize, Part), String>,
}

impl Found<'_> {
    fn name(&self, part: Part, layer: usize) -> String {
        names::join(self.module, &format!("{}_l{layer}", part.name()))
    }

    /// One more than the highest layer without a gap below it; a layer beyond a gap counts as the
    /// next, so that what is missing is found missing.
    fn layers(&self) -> usize {
        let numbers: BTreeSet<usize> = self.parts.keys().map(|(layer, _)| *layer).collect();
        numbers.len()
    }

    fn tensor(&self, part: Part, layer: usize) -> Result<&TensorView<'_>, WeightsError> {
        let name = self.name(part, layer);
        self.tensors.get(name.as_str()).ok_or_else(|| {
            // Of what there is, the best reason to expect it: its own layer, else a higher one.
            let own = self.parts.range((layer, Part::WeightIh)..);
            let because = own
                .map(|(_, tensor)| tensor)
                .next()
                .or(self.parts.values().next());
            WeightsError::Missing {
                tensor: name,
                because: because.cloned().unwrap_or_default(),
            }
        })
    }

    /// From the shape of `weight_hh_l0`: the kind, and H.
    fn kind(&self) -> Result<(Kind, usize), WeightsError> {
        let shape = self.tensor(Part::WeightHh, 0)?.shape();
        let known = match *shape {
            [rows, hidden] => kind_of(rows, hidden).map(|kind| (kind, hidden)),
            _ => None,
        };
        known.ok_or_else(|| WeightsError::Shape {
            tensor: self.name(Part::WeightHh, 0),
            found: shape.to_vec(),
            expected: "[H, H] (nn.RNN), [3·H, H] (nn.GRU) or [4·H, H] (nn.LSTM)".to_owned(),
        })
    }

    fn layer(&self, layer: usize, kind: Kind, hidden: usize) -> Result<Layer, WeightsError> {
        // Fits: a tensor of so many rows exists.
        let rows = kind.rows_per_unit() * hidden;
        let first = self.name(Part::WeightHh, 0);
        let input = match layer {
            0 => None,
            _ => Some(hidden),
        };
        let weight_ih = self.matrix(Part::WeightIh, layer, rows, input)?;
        let weight_hh = self.matrix(Part::WeightHh, layer, rows, Some(hidden))?;
        // All biases or none, in all layers: PyTorch has one switch for them.
        let is_bias = |(_, part): &(usize, Part)| matches!(part, Part::BiasIh | Part::BiasHh);
        let mut bias = DVector::zeros(rows);
        let own_hidden_bias = if kind == Kind::Gru { hidden } else { 0 };
        let mut hidden_bias = DVector::zeros(own_hidden_bias);
        if self.parts.keys().any(is_bias) {
            for part in [Part::BiasIh, Part::BiasHh] {
                let tensor = self.tensor(part, layer)?;
                if tensor.shape() != [rows] {
                    return Err(WeightsError::Shape {
                        tensor: self.name(part, layer),
                        found: tensor.shape().to_vec(),
                        expected: format!("[{rows}] as the rows of `{first}`"),
                    });
                }
                let mut values = DVector::from_vec(self.values(part, layer)?);
                if part == Part::BiasHh {
                    let mut apart = values.rows_mut(rows - own_hidden_bias, own_hidden_bias);
                    hidden_bias.copy_from(&apart);
                    apart.fill(0.0);
                }
                bias += values;
            }
            // Two finite biases may add up to more than there is.
            if let Some(at) = bias.iter().position(|value: &f64| !value.is_finite()) {
                return Err(WeightsError::Value {
                    tensor: self.name(Part::BiasHh, layer),
                    index: vec![at],
                    value: bias[at],
                });
            }
        }
        Ok(Layer {
            weight_ih,
            weight_hh,
            bias,
            hidden_bias,
        })
    }

    /// A matrix of these rows and, if they are known, columns.
    fn matrix(
        &self,
        part: Part,
        layer: usize,
        rows: usize,
        columns: Option<usize>,
    ) -> Result<DMatrix<f64>, WeightsError> {
        let shape = self.tensor(part, layer)?.shape();
        match *shape {
            [r, c] if r == rows && c > 0 && columns.is_none_or(|columns| columns == c) => {
                Ok(DMatrix::from_row_slice(r, c, &self.values(part, layer)?))
            }
            _ => {
                let columns = columns.map_or("I".to_owned(), |columns| columns.to_string());
                Err(WeightsError::Shape {
                    tensor: self.name(part, layer),
                    found: shape.to_vec(),
                    expected: format!(
                        "[{rows}, {columns}] to fit `{}`",
                        self.name(Part::WeightHh, 0)
                    ),
                })
            }
        }
    }

    fn values(&self, part: Part, layer: usize) -> Result<Vec<f64>, WeightsError> {
        let tensor = self.tensor(part, layer)?;
        let name = || self.name(part, layer);
        let values = widen(tensor).ok_or_else(|| WeightsError::Type {
            tensor: name(),
            found: format!("{:?}", tensor.dtype()),
        })?;
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(values),
            Some(at) => Err(WeightsError::Value {
                tensor: name(),
                index: index(at, tensor.shape()),
                value: values[at],
            }),
        }
    }
}

/// The indices of the `at`-th number of a row-major array.
fn index(at: usize, shape: &[usize]) -> Vec<usize> {
    let mut rest = at;
    let mut index: Vec<usize> = shape
        .iter()
        .rev()
        .map(|size| {
            let own = rest % size;
            rest /= size;
            own
        })
        .collect();
    index.reverse();
    index
}
