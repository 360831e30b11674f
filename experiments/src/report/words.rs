//! What quantities, figures and files are, in words.

use crate::config::{FigureKind, FigureSpec};

/// What a quantity of `curves.csv` and its like is, by its name without the layer; `None` for one that this
/// version does not know.
pub fn quantity(name: &str) -> Option<&'static str> {
    Some(match name {
        "h" => {
            "node gradient of the hidden state, ∂L/∂h_t: by every path to the loss, inside step t too; \
             what PyTorch's `retain_grad` reports"
        }
        "c" => {
            "node gradient of the cell state, ∂L/∂c_t: by every path to the loss, the one through h_t of \
             the same step too"
        }
        "h_carried" => {
            "carried adjoint of the hidden state: h_t and c_t as independent coordinates, so only what \
             arrives through step t+1 and from the loss itself; what products of Jacobians transport. \
             The same as `h` in a single layer"
        }
        "c_carried" => {
            "carried adjoint of the cell state: only what arrives through step t+1; exactly zero at the \
             last step when the loss acts on h_T alone"
        }
        "c_direct" => {
            "the part of ∂L/∂c_t that travels along the cell state alone (erase, then add), multiplied \
             by the forget gate at every step"
        }
        "c_gated" => {
            "the part of ∂L/∂c_t that travels through the gates and the recurrent weights. `c_direct` and \
             `c_gated` add up to `c` as vectors; their norms do not add"
        }
        "y_in" => {
            "node gradient of the output of the input gate, which in the LSTM of 1997 is part of the state"
        }
        "y_out" => {
            "node gradient of the output of the output gate, which in the LSTM of 1997 is part of the state"
        }
        "x" => "gradient of the input, ∂L/∂x_t",
        "weight_hh" => "what step t alone adds to the gradient of the recurrent weights",
        "weight_ih" => "what step t alone adds to the gradient of the input weights",
        "bias" => "what step t alone adds to the gradient of the bias",
        _ => return None,
    })
}

/// What a gate or a series is; `None` for one that this version does not know.
pub fn gate(name: &str) -> Option<&'static str> {
    Some(match name {
        "i" => "input gate: how much of the candidate is written",
        "f" => "forget gate: how much of the cell state is kept; near 1 keeps, near 0 discards",
        "g" => "candidate, in −1…1: what is written",
        "z" => "update gate: how much of the hidden state is kept",
        "r" => "reset gate: how much of the hidden state the candidate sees",
        "n" => "candidate, in −1…1: what the hidden state moves towards",
        "o" => "output gate: how much of tanh c_t leaves as hidden state",
        _ => return None,
    })
}

/// The terms every report uses.
pub const TERMS: [(&str, &str); 4] = [
    (
        "lag",
        "k = T − t, the number of steps back from the last one, T; the last step has lag 0",
    ),
    (
        "gradient ratio",
        "r_k = ‖∂L/∂q_t‖ / ‖∂L/∂h_T‖ at t = T − k for a quantity q, norms over the whole batch: one \
         denominator for all quantities, so that they share a scale and `h` starts at 1. Norms never \
         underflow; where it says −∞, the gradient is exactly zero",
    ),
    (
        "rate",
        "the least-squares slope of ln r_k over the lags of the fit, in nats per step: negative where the \
         gradient vanishes. The half-life is ln 2 / −rate, in steps, and infinite where the rate is not \
         negative. A gradient is constant to rounding where ln r_k varies by less than 10⁻⁹; its rate is shown \
         as 0, and so is a law’s below 10⁻¹²",
    ),
    (
        "verdict",
        "`vanishes` or `explodes` where the fitted line falls or rises by a decade or more over the window, \
         `stable` where it does less, `zero` where fewer than three lags are not exactly zero",
    ),
];

/// How a figure is read. `replicates` is how many each of its values is of.
pub fn figure(spec: &FigureSpec, replicates: usize) -> String {
    let lines = match replicates {
        1 => "Lines are of one replicate",
        _ => "Lines are medians over replicates, bands their quartiles",
    };
    // There is no interval of fewer than three.
    let interval = match replicates {
        0..3 => "",
        _ => ", with its interval",
    };
    let quantity = spec.quantity.as_deref().unwrap_or(FigureSpec::QUANTITY);
    let x = spec.x.as_deref().unwrap_or("a factor");
    match spec.kind {
        FigureKind::Decay => format!(
            "How to read it: the lag k to the right, steps back from the loss; upwards the gradient ratio of \
            `{quantity}`, in powers of ten. A straight line is exponential decay, and its slope the rate. {lines}; \
             theory is dashed, bounds are dotted, and λ₁, which is measured in the same runs, is dash-dotted."
        ),
        FigureKind::Phase => format!(
            "How to read it: `{x}` on one axis, the lag on the other; the colour is the gradient ratio of \
             `{quantity}`, in powers of ten."
        ),
        FigureKind::Rate => format!(
            "How to read it: `{x}` to the right; upwards the fitted rate of `{quantity}` in nats per step{interval}. \
             Below zero the gradient vanishes, above it explodes. Theory is dashed, bounds are dotted, and λ₁, \
             which is measured in the same runs, is dash-dotted."
        ),
        FigureKind::HalfLife => format!(
            "How to read it: `{x}` to the right; upwards the number of steps in which the gradient of `{quantity}` \
             halves. Theory is dashed, and λ₁, which is measured in the same runs, is dash-dotted."
        ),
        FigureKind::Plane => format!(
            "How to read it: two factors on the axes; the colour is the fitted rate of `{quantity}` in nats per step. \
             On the solid line the gradient neither vanishes nor explodes as measured, on the dashed one as theory \
             has it."
        ),
        FigureKind::ErrorSurface => format!(
            "How to read it: `{x}` to the right, upwards the input that a sequence is fed throughout; the colour is \
             the loss on the left, and on the right the norm of its gradient with respect to W_hh and b, in powers \
             of ten. Between the dashed edges theory finds two attractors."
        ),
        FigureKind::Gates => "How to read it: time to the right in every panel. Maps show one sequence, one unit a \
             row, in the order of the equations: what is erased, what is written, the cell state, what \
             leaves. Below them, how much of the gradient at the end reaches each step, and by which path."
            .to_owned(),
        FigureKind::SingularValues => "How to read it: the lag to the right; upwards the singular values of \
             ∂s_T/∂s_{T−k}, in powers of ten: how far the network stretches or squeezes what it carries back."
            .to_owned(),
        FigureKind::Lyapunov => "How to read it: above, the exponents in falling order, in nats per step: how fast \
             perturbations of the state grow or die in the long run, in each direction. Below, how the largest one \
             converges over time. Above zero the network is chaotic."
            .to_owned(),
        FigureKind::LossState => format!(
            "How to read it: the step of the state to the right, that of the loss upwards; the colour is how much of \
             the gradient of `{quantity}` arrives, in powers of ten."
        ),
        FigureKind::UnitGradient => format!(
            "How to read it: the lag to the right. Above, one unit a row, the colour the gradient ratio of \
             `{quantity}` in that unit; below, the distribution over units."
        ),
    }
}

/// The tables a figure of this kind is drawn from.
pub fn tables(kind: FigureKind) -> &'static [&'static str] {
    match kind {
        FigureKind::Decay => &["curves.csv", "laws.csv"],
        FigureKind::Phase => &["curves.csv"],
        FigureKind::Rate | FigureKind::HalfLife | FigureKind::Plane => &["fits.csv", "laws.csv"],
        FigureKind::ErrorSurface => &["sequences.csv"],
        FigureKind::Gates => &["series.csv", "curves.csv"],
        FigureKind::SingularValues => &["singular-values.csv", "curves.csv"],
        FigureKind::Lyapunov => &["lyapunov.csv", "lyapunov-convergence.csv"],
        FigureKind::LossState => &["loss-state.csv"],
        FigureKind::UnitGradient => &["unit-gradients.csv", "unit-quantiles.csv"],
    }
}

/// What a table of a results folder holds.
pub fn file(name: &str) -> &'static str {
    match name {
        "runs.csv" => "how every run ended",
        "curves.csv" => "gradient ratios by lag, over replicates",
        "fits.csv" => "rates, half-lives, verdicts",
        "laws.csv" => "what theory says of the weights that were drawn",
        "gates.csv" => "statistics of the gates by step",
        "series.csv" => "states and gates of one sequence",
        "parameters.csv" => "norms of the parameters' gradients",
        "gradients.csv" => "every norm",
        "singular-values.csv" => "singular values of ∂s_T/∂s_{T−k}",
        "lyapunov.csv" => "Lyapunov exponents of the whole state",
        "lyapunov-summary.csv" => "their Kaplan–Yorke dimension and entropy bound",
        "lyapunov-convergence.csv" => "how they converge over time",
        "loss-state.csv" => "which loss hears which state",
        "unit-gradients.csv" => "gradients unit by unit",
        "sequences.csv" => "loss and gradients of each sequence",
        "sequence-gradients.csv" => "every norm of each sequence",
        "unit-quantiles.csv" => "their distribution over units",
        "summary.json" => "rates, half-lives, effective memory, verdicts, gates",
        "claims.csv" => "the verdict on every claim",
        "checks.csv" => "every number that a verdict rests on",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::{FILES, OF_TRACE_ALONE};

    #[test]
    fn it_is_said_of_every_table_what_it_holds() {
        for table in FILES {
            assert_ne!(file(table.name), "", "{}", table.name);
        }
        assert_ne!(file(OF_TRACE_ALONE), "");
    }
}
