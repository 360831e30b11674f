//! Inside the constant error carousel the truncated error is constant at any lag.
//!
//! S. Hochreiter, J. Schmidhuber 1997, §3.2 and appendix A.1. The architecture is that of their experiment 6b
//! (eight inputs, three blocks of two cells, weights uniform in ±0.1, input gate biases −2, −4, −6) without
//! its output units, on random inputs, with the loss ⟨v, h_T⟩ at T = 1000. With the truncated gradient
//! ∂L/∂c_t is compared with ∂L/∂c_T **bit for bit**, every cell and every lag to 1000: errors in the carousel
//! are multiplied by 1 and nothing is added. An error of exactly 0 would be constant too, so there must be
//! none.
//!
//! By full backpropagation through time errors also leave through the gates and come back through W_hh;
//! then ‖∂L/∂c_0‖/‖∂L/∂c_T‖ is not 1. How far from it depends on the weights: the ratio is reported, and
//! no seed may keep its bits.

use cell_config::{CellConfig, Streams, uniform};
use lstm_1997::{InputGateBias, Lstm1997Config};
use nalgebra::DMatrix;

use super::measure::{Cases, differing_bits};
use super::one_cell::{Gradients, gradients};
use super::{Check, Claim, Evidence, Scale};
use crate::figures::{Mark, Plot, PlotAxis, PlotSeries};

/// See the [module](self).
pub const CLAIM: Claim = Claim {
    id: "hs-1997-cec",
    source: "S. Hochreiter, J. Schmidhuber, Neural Computation 9(8):1735, 1997, §3.2 and A.1",
    statement: "Truncated, ∂L/∂c_t equals ∂L/∂c_T bit for bit at every lag to 1000; by full \
                backpropagation it does not",
    scale: Scale::Full,
    cost_seconds: 0.5,
    check,
};

const SEEDS: usize = 20;
const STEPS: usize = 1000;
const INPUTS: usize = 8;
const CELLS: usize = 6;

fn check() -> Result<Evidence, String> {
    let (mut changed, mut alive, mut changing) = (0, Cases::default(), Cases::default());
    let (mut ratios, mut series) = (Vec::new(), Vec::new());
    for replicate in 0..SEEDS as u64 {
        let streams = Streams { seed: 1, replicate };
        let truncated = errors_of_cells(&run(&streams, true)?);
        let last = &truncated[STEPS];
        let at_other_lags = truncated[..STEPS].iter();
        changed += at_other_lags
            .map(|c| differing_bits(c, last))
            .sum::<usize>();
        for c in last {
            alive.see(c.abs() > 0.0);
        }

        let exact = run(&streams, false)?;
        let cells = errors_of_cells(&exact);
        let mut pairs = cells[0].iter().zip(&cells[STEPS]);
        changing.see(pairs.any(|(first, last)| (first - last).abs() > 0.0));
        let norms = &exact.norms.blocks;
        let norms = norms.iter().find(|block| block.name == "c");
        let norms = &norms.ok_or("no cell state")?.node.log10_norm;
        ratios.push(norms[0] - norms[STEPS]);
        if replicate < 5 {
            let points = (0..=STEPS).map(|lag| (lag as f64, norms[STEPS - lag] - norms[STEPS]));
            let label = if replicate == 0 {
                "exact, five seeds"
            } else {
                ""
            };
            series.push(PlotSeries::new(label, Mark::Line, 0, points));
        }
    }
    let flat = [(0.0, 0.0), (STEPS as f64, 0.0)];
    series.push(PlotSeries::new("truncated, all seeds", Mark::Line, 1, flat));
    ratios.sort_by(f64::total_cmp);
    let ratio = |k: usize| 10_f64.powf(ratios[k]);
    Ok(Evidence {
        checks: vec![
            Check::none(
                "entries of ∂L/∂c_t whose bits are not those of ∂L/∂c_T, truncated",
                changed,
                SEEDS * STEPS * CELLS,
            ),
            Check::none(
                "entries of ∂L/∂c_T that are zero",
                alive.violations,
                alive.of,
            ),
            Check::none(
                "seeds whose exact ∂L/∂c_0 is ∂L/∂c_T",
                changing.violations,
                changing.of,
            ),
        ],
        seeds: SEEDS,
        plot: Some(Plot {
            title: "Truncated, the error in the carousel keeps its bits; the exact one does not"
                .to_owned(),
            subtitle: "LSTM of 1997, 3 blocks of 2 cells, as initialised for experiment 6b"
                .to_owned(),
            x: PlotAxis::linear("lag (steps)"),
            y: PlotAxis::log10("‖∂L/∂c‖ relative to the last step's"),
            series,
            heat: None,
        }),
        remark: format!(
            "by full backpropagation ‖∂L/∂c_0‖/‖∂L/∂c_T‖ is {:.4} in the median over seeds, {:.4} to {:.4}",
            0.5 * (ratio(SEEDS / 2 - 1) + ratio(SEEDS / 2)),
            ratio(0),
            ratio(SEEDS - 1),
        ),
    })
}

fn run(streams: &Streams, truncated: bool) -> Result<Gradients, String> {
    let config = Lstm1997Config {
        hidden: CELLS,
        cells_per_block: 2,
        truncated,
        weight_range: 0.1,
        biases: true,
        input_gate_bias: InputGateBias::PerBlock(vec![-2.0, -4.0, -6.0]),
    };
    let cell = config
        .build(INPUTS, &streams.weights("hs-1997-cec"))
        .map_err(|error| error.to_string())?;
    let draw = |name, rows, columns| {
        let stream = streams.stream(&["hs-1997-cec", name], &[rows, columns]);
        uniform(rows, columns, -1.0, 1.0, stream)
    };
    let initial = DMatrix::zeros(config.shape(INPUTS).state, 1);
    let (inputs, adjoint) = (draw("inputs", INPUTS, STEPS), draw("adjoint", CELLS, 1));
    gradients(&cell, inputs, &initial, &adjoint)
}

/// ∂L/∂c_t, t = 0…T: the last rows of the state.
fn errors_of_cells(found: &Gradients) -> Vec<Vec<f64>> {
    let of_step = |node: &DMatrix<f64>| {
        node.rows(node.nrows() - CELLS, CELLS)
            .iter()
            .copied()
            .collect()
    };
    found.node.iter().map(of_step).collect()
}
