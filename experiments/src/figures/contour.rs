//! The lines on which a grid of values is zero (marching squares: Lorensen and Cline, 1987, in two
//! dimensions).

use std::collections::{BTreeMap, BTreeSet};

/// A side of a grid cell: the column and row of its first end, and whether it leads along the rows.
type Side = (usize, usize, bool);

/// Lines through every zero between neighbouring grid points, where linear interpolation puts it.
/// `value(column, row)` is given at (`x[column]`, `y[row]`). A cell with a corner that is not finite
/// has no line.
pub fn zero_lines(
    x: &[f64],
    y: &[f64],
    value: impl Fn(usize, usize) -> f64,
) -> Vec<Vec<(f64, f64)>> {
    let mut neighbours: BTreeMap<Side, Vec<Side>> = BTreeMap::new();
    for column in 1..x.len() {
        for row in 1..y.len() {
            for (from, to) in segments(column - 1, row - 1, &value) {
                neighbours.entry(from).or_default().push(to);
                neighbours.entry(to).or_default().push(from);
            }
        }
    }
    let at = |&(column, row, along_rows): &Side| {
        let here = value(column, row);
        if along_rows {
            let ends = [(y[row], here), (y[row + 1], value(column, row + 1))];
            (x[column], zero_between(ends[0], ends[1]).unwrap_or(y[row]))
        } else {
            let ends = [(x[column], here), (x[column + 1], value(column + 1, row))];
            (zero_between(ends[0], ends[1]).unwrap_or(x[column]), y[row])
        }
    };
    // Open lines from their ends, then closed ones from anywhere.
    let ends = neighbours.iter().filter(|(_, next)| next.len() == 1);
    let starts: Vec<Side> = ends.chain(&neighbours).map(|(side, _)| *side).collect();
    let mut visited = BTreeSet::new();
    let mut lines = Vec::new();
    for start in starts {
        if !visited.insert(start) {
            continue;
        }
        let mut line = vec![at(&start)];
        let mut side = start;
        while let Some(&next) = neighbours[&side]
            .iter()
            .find(|next| !visited.contains(next))
        {
            visited.insert(next);
            line.push(at(&next));
            side = next;
        }
        if line.len() > 2 && neighbours[&side].contains(&start) {
            line.push(line[0]);
        }
        lines.push(line);
    }
    lines
}

/// The zero on the way between two points, each a position and a value; `None` if the values have
/// the same sign or are not finite.
pub fn zero_between(from: (f64, f64), to: (f64, f64)) -> Option<f64> {
    let passes = from.1.is_finite() && to.1.is_finite() && (from.1 < 0.0) != (to.1 < 0.0);
    passes.then(|| from.0 + from.1 / (from.1 - to.1) * (to.0 - from.0))
}

/// The pairs of sides that the zero line joins in one cell.
fn segments(column: usize, row: usize, value: &impl Fn(usize, usize) -> f64) -> Vec<(Side, Side)> {
    // Corners and the sides after them, around the cell.
    let corners = [
        value(column, row),
        value(column + 1, row),
        value(column + 1, row + 1),
        value(column, row + 1),
    ];
    let sides = [
        (column, row, false),
        (column + 1, row, true),
        (column, row + 1, false),
        (column, row, true),
    ];
    if corners.iter().any(|corner| !corner.is_finite()) {
        return Vec::new();
    }
    let crossed: Vec<Side> = (0..4)
        .filter(|&side| (corners[side] < 0.0) != (corners[(side + 1) % 4] < 0.0))
        .map(|side| sides[side])
        .collect();
    match crossed.as_slice() {
        [from, to] => vec![(*from, *to)],
        // A saddle: the middle belongs to the corners of its own sign.
        [below, right, above, left] => {
            let middle_is_negative = corners.iter().sum::<f64>() < 0.0;
            if middle_is_negative == (corners[0] < 0.0) {
                vec![(*below, *right), (*above, *left)]
            } else {
                vec![(*left, *below), (*right, *above)]
            }
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_has_one_straight_line() {
        let x = [0.0, 1.0, 3.0];
        let lines = zero_lines(&x, &[1.0, 2.0, 3.0], |column, _| x[column] - 1.5);
        assert_eq!(lines, [[(1.5, 1.0), (1.5, 2.0), (1.5, 3.0)]]);
    }

    #[test]
    fn every_crossing_of_a_row_is_kept() {
        let values = [-1.0, 1.0, 1.0, -1.0];
        let lines = zero_lines(&[0.0, 1.0, 2.0, 3.0], &[0.0, 1.0], |column, _| {
            values[column]
        });
        assert_eq!(lines, [[(0.5, 0.0), (0.5, 1.0)], [(2.5, 0.0), (2.5, 1.0)]]);
    }

    #[test]
    fn an_island_has_a_closed_line_around_it() {
        let axis = [0.0, 1.0, 2.0];
        let island = |column, row| if (column, row) == (1, 1) { 1.0 } else { -1.0 };
        let lines = zero_lines(&axis, &axis, island);
        assert_eq!(lines.len(), 1);
        assert_eq!((lines[0].len(), lines[0][0]), (5, lines[0][4]));
    }

    #[test]
    fn a_saddle_is_split_by_its_middle() {
        let saddle =
            |high: f64| move |column: usize, row: usize| if column == row { -1.0 } else { high };
        let axis = [0.0, 1.0];
        let around_the_high_corner = (0.75, 0.0);
        for (high, other_end) in [(3.0, (0.0, 0.25)), (1.0 / 3.0, (1.0, 0.25))] {
            let lines = zero_lines(&axis, &axis, saddle(high));
            assert_eq!(lines.len(), 2, "{high}");
            let starts_low = if high > 1.0 {
                (0.25, 0.0)
            } else {
                around_the_high_corner
            };
            let line = lines
                .iter()
                .find(|line| line.contains(&starts_low))
                .unwrap();
            assert!(line.contains(&other_end), "{lines:?}");
        }
    }

    #[test]
    fn zeros_of_the_gradient_have_no_line() {
        let axis = [0.0, 1.0];
        let lines = zero_lines(&axis, &axis, |column, row| {
            if (column, row) == (0, 0) {
                f64::NEG_INFINITY
            } else {
                column as f64 - 0.5
            }
        });
        assert!(lines.is_empty());
        assert_eq!(zero_between((0.0, f64::NAN), (1.0, 1.0)), None);
    }
}
