//! Lag windows, and which lags of a long curve are worth writing down.

/// An inclusive range of lags, in steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first lag.
    pub from: usize,
    /// The last lag.
    pub to: usize,
}

impl Window {
    /// The part of the window that a curve of `lags` entries (lags 0 … `lags` − 1) has, or
    /// `None` if it has none of it.
    pub fn clip(self, lags: usize) -> Option<Self> {
        let to = self.to.min(lags.checked_sub(1)?);
        (self.from <= to).then_some(Self {
            from: self.from,
            to,
        })
    }

    /// The number of steps from the first lag to the last.
    pub fn steps(self) -> usize {
        self.to - self.from
    }

    /// Lags 1 … 10, as far as they lie in this window.
    pub(crate) fn early(self) -> Option<Self> {
        let early = Self {
            from: self.from.max(1),
            to: self.to.min(10),
        };
        (early.from <= early.to).then_some(early)
    }

    /// The last half of this window.
    pub(crate) fn late(self) -> Self {
        Self {
            from: self.from + self.steps().div_ceil(2),
            to: self.to,
        }
    }
}

/// The lags at which a curve is stored: every lag to 1,000, then 100 per decade, and `last`.
///
/// Beyond 1,000 the lags are the integers nearest to 10^(3 + j/100), so they are the same for
/// every horizon, and a longer curve contains a shorter one but for its end: `last` is always among
/// them, since how much of a gradient reaches the first state is what is asked first.
///
/// ```
/// assert_eq!(decay_analysis::thinned_lags(200).len(), 201);
/// let lags = decay_analysis::thinned_lags(10_000);
/// assert_eq!(lags.len(), 1_101);
/// assert_eq!(lags[1_001..1_003], [1_023, 1_047]);
/// assert!(decay_analysis::thinned_lags(1_500).ends_with(&[1_479, 1_500]));
/// ```
pub fn thinned_lags(last: usize) -> Vec<usize> {
    thinned_from(3, last)
}

/// The same for what costs more at each lag: every lag to 100, then 100 per decade, and `last`.
///
/// ```
/// let lags = decay_analysis::thinned_lags_from_100(1_000);
/// assert_eq!(lags.len(), 201);
/// assert_eq!(lags[99..103], [99, 100, 102, 105]);
/// assert!(decay_analysis::thinned_lags_from_100(300).ends_with(&[295, 300]));
/// ```
pub fn thinned_lags_from_100(last: usize) -> Vec<usize> {
    thinned_from(2, last)
}

/// Every lag to 10^`power`, then 100 per decade, and `last`.
fn thinned_from(power: u32, last: usize) -> Vec<usize> {
    let dense = 10_usize.pow(power);
    let sparse = (1..)
        .map(|j| 10_f64.powf(f64::from(power) + f64::from(j) / 100.0).round() as usize)
        .take_while(|&lag| lag < last);
    let end = (last > dense).then_some(last);
    (0..=last.min(dense)).chain(sparse).chain(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clipping_keeps_what_the_curve_has() {
        let window = Window { from: 1, to: 200 };
        assert_eq!(window.clip(201), Some(window));
        assert_eq!(window.clip(200), Some(Window { from: 1, to: 199 }));
        assert_eq!(window.clip(1), None);
        assert_eq!(window.clip(0), None);
    }

    #[test]
    fn early_is_the_first_ten_lags_and_late_the_last_half() {
        let window = Window { from: 1, to: 199 };
        assert_eq!(window.early(), Some(Window { from: 1, to: 10 }));
        assert_eq!(window.late(), Window { from: 100, to: 199 });
        assert_eq!(Window { from: 50, to: 99 }.early(), None);
        assert_eq!(
            Window { from: 0, to: 4 }.early(),
            Some(Window { from: 1, to: 4 })
        );
    }

    #[test]
    fn thinned_lags_increase_strictly_and_have_one_hundred_per_decade() {
        let lags = thinned_lags(1_000_000);
        assert!(lags.windows(2).all(|pair| pair[0] < pair[1]));
        for decade in [1_000, 10_000, 100_000] {
            let in_decade = lags
                .iter()
                .filter(|&&lag| decade < lag && lag <= 10 * decade);
            assert_eq!(in_decade.count(), 100);
        }
    }

    #[test]
    fn thinning_from_100_keeps_lags_apart() {
        let lags = thinned_lags_from_100(100_000);
        assert!(lags.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(lags.len(), 401);
        assert_eq!(thinned_lags_from_100(40), thinned_lags(40));
    }

    #[test]
    fn a_longer_curve_contains_the_lags_of_a_shorter_one_but_for_its_end() {
        let (short, long) = (thinned_lags(5_000), thinned_lags(50_000));
        let grid = short.len() - 1;
        assert_eq!(long[..grid], short[..grid]);
        // The next one of the grid, 10^3.70, lies beyond the end.
        assert_eq!((short[grid], long[grid]), (5_000, 5_012));
    }

    #[test]
    fn the_last_lag_is_always_there_and_only_once() {
        for last in [
            0, 1, 99, 100, 101, 102, 103, 300, 999, 1_000, 1_001, 1_023, 1_500, 10_000,
        ] {
            for lags in [thinned_lags(last), thinned_lags_from_100(last)] {
                assert_eq!(lags.last(), Some(&last));
                assert!(lags.windows(2).all(|pair| pair[0] < pair[1]), "{last}");
            }
        }
    }
}
