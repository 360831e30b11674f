//! Labels beside the ends of lines, moved apart so that none covers another.

/// Positions as close as possible (least squares) to the `wanted` ones, at least `gap` apart and
/// inside [`low`, `high`], in the same order. `wanted` must be sorted, and there must be room:
/// see [`choose`].
pub fn spread(wanted: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    // With q_i = p_i − i·gap, "at least gap apart" reads "not decreasing": isotonic regression,
    // by pooling neighbours that violate it. Bounds then only clamp its result.
    let mut pools: Vec<(f64, usize)> = Vec::new(); // mean, members
    for (index, &position) in wanted.iter().enumerate() {
        let mut pool = (position - index as f64 * gap, 1);
        while let Some(&(mean, members)) = pools.last() {
            if mean <= pool.0 {
                break;
            }
            let total = members + pool.1;
            pool.0 = (mean * members as f64 + pool.0 * pool.1 as f64) / total as f64;
            pool.1 = total;
            pools.pop();
        }
        pools.push(pool);
    }
    let room = (high - wanted.len().saturating_sub(1) as f64 * gap).max(low);
    pools
        .into_iter()
        .flat_map(|(mean, members)| std::iter::repeat_n(mean.clamp(low, room), members))
        .enumerate()
        .map(|(index, position)| position + index as f64 * gap)
        .collect()
}

/// Which of `count` labels to keep where only `room` fit: evenly, the first and last included.
pub fn choose(count: usize, room: usize) -> Vec<usize> {
    if count <= room {
        return (0..count).collect();
    }
    if room < 2 {
        return (0..room).collect();
    }
    (0..room)
        .map(|index| (index * (count - 1) + (room - 1) / 2) / (room - 1))
        .collect()
}

/// The candidate where a text of this width and height (centred on the candidate's height, starting
/// at it) covers the fewest points; the first of equals.
pub fn freest(
    candidates: &[(f64, f64)],
    (width, height): (f64, f64),
    points: &[(f64, f64)],
) -> Option<(f64, f64)> {
    let covered = |&(left, middle): &(f64, f64)| {
        points
            .iter()
            .filter(|(x, y)| (left..left + width).contains(x) && (y - middle).abs() < 0.5 * height)
            .count()
    };
    candidates.iter().copied().min_by_key(|at| covered(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_with_room_stay_where_they_are() {
        assert_eq!(spread(&[10.0, 30.0], 12.0, 0.0, 100.0), [10.0, 30.0]);
    }

    #[test]
    fn colliding_labels_move_apart_about_their_middle() {
        assert_eq!(
            spread(&[50.0, 50.0, 50.0], 10.0, 0.0, 100.0),
            [40.0, 50.0, 60.0]
        );
    }

    #[test]
    fn labels_never_leave_the_panel_or_overlap() {
        let wanted: Vec<f64> = (0..9).map(|index| 95.0 + 0.1 * f64::from(index)).collect();
        let placed = spread(&wanted, 11.0, 0.0, 100.0);
        assert!(
            placed
                .windows(2)
                .all(|pair| pair[1] - pair[0] >= 11.0 - 1e-9)
        );
        assert!(placed[0] >= 0.0 && placed[8] <= 100.0 + 1e-9);
        assert!(spread(&[], 11.0, 0.0, 100.0).is_empty());
    }

    #[test]
    fn first_and_last_are_kept_when_not_all_fit() {
        assert_eq!(choose(3, 5), [0, 1, 2]);
        assert_eq!(choose(30, 4), [0, 10, 19, 29]);
        assert_eq!(choose(5, 1), [0]);
        assert!(choose(5, 0).is_empty());
    }

    #[test]
    fn text_goes_where_it_covers_least() {
        let points = [(5.0, 10.0), (6.0, 10.0), (5.0, 30.0)];
        let candidates = [(0.0, 10.0), (0.0, 30.0), (0.0, 50.0), (0.0, 70.0)];
        assert_eq!(
            freest(&candidates, (20.0, 12.0), &points),
            Some((0.0, 50.0))
        );
        assert_eq!(freest(&[], (20.0, 12.0), &points), None);
    }
}
