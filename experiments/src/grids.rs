//! At which lags and times the quantities are kept whose cost or size forbids every step.
//!
//! Functions of T alone, so that a record says by its sizes what its rows are.

use decay_analysis::thinned_lags_from_100;

/// At most this many losses have a row in a loss × state matrix.
const MAX_LOSSES: usize = 64;

/// The lags of singular values and of gradients by unit: all to 100, then 100 per decade, and T.
pub fn lags(steps: usize) -> Vec<usize> {
    thinned_lags_from_100(steps)
}

/// The times t = T − k of these lags, in rising order.
pub fn times(steps: usize) -> Vec<usize> {
    let lags = lags(steps);
    lags.iter().rev().map(|lag| steps - lag).collect()
}

/// The times τ of the losses of a loss × state matrix, in rising order: T and every ⌈T/64⌉-th step
/// before it.
pub fn loss_times(steps: usize) -> Vec<usize> {
    let stride = steps.div_ceil(MAX_LOSSES).max(1);
    let mut times: Vec<usize> = (1..=steps).rev().step_by(stride).collect();
    times.reverse();
    times
}

/// The steps that do not count in Lyapunov exponents, a tenth of them: the trajectory has to reach its
/// attractor, and tangents the directions that belong to each exponent.
pub fn transient(steps: usize) -> usize {
    steps / 10
}

/// The times at which the means of Lyapunov exponents so far are kept, in rising order: T and as many
/// evenly spaced ones after the transient as a loss × state matrix has losses.
pub fn exponent_times(steps: usize) -> Vec<usize> {
    let transient = transient(steps);
    let counted = loss_times(steps - transient).into_iter();
    counted.map(|step| transient + step).collect()
}

/// The times t of its states, in rising order: those of the losses, and 0.
pub fn state_times(steps: usize) -> Vec<usize> {
    let mut times = vec![0];
    times.extend(loss_times(steps));
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_end_at_the_last_step_and_are_few() {
        assert_eq!(loss_times(1), [1]);
        assert_eq!(loss_times(64), (1..=64).collect::<Vec<_>>());
        assert_eq!(loss_times(100)[..3], [2, 4, 6]);
        assert_eq!(state_times(65)[..3], [0, 1, 3]);
        for steps in [63, 65, 100, 129, 1000, 12_345] {
            let times = loss_times(steps);
            assert!(
                times.len() <= MAX_LOSSES && times.len() > MAX_LOSSES / 2,
                "{steps}"
            );
            assert_eq!(times.last(), Some(&steps));
        }
    }

    #[test]
    fn exponents_are_kept_after_the_transient_up_to_the_end() {
        assert_eq!(exponent_times(1), [1]);
        let times = exponent_times(1000);
        assert!(times[0] > 100 && times.len() <= MAX_LOSSES);
        assert_eq!(times.last(), Some(&1000));
    }

    #[test]
    fn times_mirror_lags() {
        for steps in [300, 1000] {
            let times = times(steps);
            assert_eq!((times[0], times[times.len() - 1]), (0, steps));
            assert!(times.is_sorted());
            assert_eq!(times.len(), lags(steps).len());
        }
    }
}
