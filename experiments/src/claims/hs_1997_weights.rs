//! The networks of 1997 have as many trainable weights as their paper's tables say.
//!
//! S. Hochreiter, J. Schmidhuber 1997, §5. Each topology is built and its parameters are counted: those of
//! the memory blocks, whose gates and cells see the inputs, all cells, **all gates** and a bias, and those
//! of output units that see the cells and, but for experiments 2c and 3, a bias. Experiment 2c, with p
//! distractors, has p + 4 input units, two blocks of one cell, two output units and no biases. The numbers
//! are integers: nothing is allowed.

use cell_config::{CellConfig, Streams};
use lstm_1997::{InputGateBias, Lstm1997Config};

use super::{Check, Claim, Evidence, Scale};

/// See the [module](self).
pub const CLAIM: Claim = Claim {
    id: "hs-1997-weights",
    source: "S. Hochreiter, J. Schmidhuber, Neural Computation 9(8):1735, 1997, §5",
    statement: "The numbers of weights in the experiments of 1997: 93, 156, 308, 102, and 6p + 64 for p \
                distractors",
    scale: Scale::Full,
    cost_seconds: 0.01,
    check,
};

struct Topology {
    inputs: usize,
    blocks: usize,
    cells_per_block: usize,
    biases: bool,
    outputs: usize,
    output_biases: bool,
}

fn check() -> Result<Evidence, String> {
    let biased = |inputs, blocks, cells_per_block, outputs| Topology {
        inputs,
        blocks,
        cells_per_block,
        biases: true,
        outputs,
        output_biases: true,
    };
    let third = Topology {
        output_biases: false,
        ..biased(1, 3, 1, 1)
    };
    let mut checks = vec![
        counted("experiments 4 and 5: weights", biased(2, 2, 2, 1), 93)?,
        counted("experiment 6a: weights", biased(8, 2, 2, 4), 156)?,
        counted("experiment 6b: weights", biased(8, 3, 2, 8), 308)?,
        counted("experiment 3: weights", third, 102)?,
    ];
    for (distractors, weights) in [
        (50, 364),
        (100, 664),
        (200, 1264),
        (500, 3064),
        (1000, 6064),
    ] {
        let without_biases = Topology {
            biases: false,
            output_biases: false,
            ..biased(distractors + 4, 2, 1, 2)
        };
        let what = format!("experiment 2c, p = {distractors}: weights");
        checks.push(counted(&what, without_biases, weights)?);
    }
    Ok(Evidence::of(checks, 0))
}

fn counted(what: &str, topology: Topology, published: usize) -> Result<Check, String> {
    let config = Lstm1997Config {
        hidden: topology.blocks * topology.cells_per_block,
        cells_per_block: topology.cells_per_block,
        truncated: true,
        weight_range: 0.1,
        biases: topology.biases,
        input_gate_bias: InputGateBias::default(),
    };
    let streams = Streams {
        seed: 0,
        replicate: 0,
    };
    let cell = config
        .build(topology.inputs, &streams.weights("hs-1997-weights"))
        .map_err(|error| error.to_string())?;
    let counted = cell.weights_with_outputs(topology.outputs, topology.output_biases);
    Ok(Check::exactly(what, counted as f64, published as f64))
}
