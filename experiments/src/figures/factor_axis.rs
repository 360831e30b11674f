//! The values of a sweep's factor on a horizontal axis: numbers to scale, words side by side.

use super::canvas::{Anchor, Canvas};
use super::chart::{Panel, Scale, TEXT, solid, text_font};
use super::labels;
use super::palette::Rgb;
use super::ticks::{self, Tick};

/// Where each value of a factor stands.
#[derive(Clone, Debug, PartialEq)]
pub struct FactorAxis {
    /// In axis order: numbers ascending, then words.
    pub values: Vec<String>,
    positions: Vec<f64>,
    numbers: usize,
    /// The most words that are written below it.
    room: usize,
}

impl FactorAxis {
    /// An axis for values in the order [`super::data::values`] gives. Words stand to the right of
    /// numbers, as far apart as numbers are on average.
    pub fn new(values: Vec<String>) -> Self {
        let mut positions: Vec<f64> = values
            .iter()
            .map_while(|value| value.parse::<f64>().ok())
            .collect();
        let numbers = positions.len();
        let gap = match positions.as_slice() {
            [first, .., last] => (last - first) / (numbers - 1) as f64,
            _ => 1.0,
        };
        let start = positions.last().copied().unwrap_or(-gap);
        positions.extend((1..=values.len() - numbers).map(|step| start + step as f64 * gap));
        Self {
            values,
            positions,
            numbers,
            room: usize::MAX,
        }
    }

    /// An axis on which all values are words, evenly spaced in the given order; of more than
    /// `room` not all are written.
    pub fn side_by_side(values: Vec<String>, room: usize) -> Self {
        Self {
            positions: (0..values.len()).map(|index| index as f64).collect(),
            values,
            numbers: 0,
            room,
        }
    }

    /// The position of a value; `None` if it is not on the axis.
    pub fn position(&self, value: &str) -> Option<f64> {
        let index = self.values.iter().position(|known| known == value)?;
        Some(self.positions[index])
    }

    /// Whether a value is a number, so that a line may lead to its neighbours.
    pub fn is_number(&self, value: &str) -> bool {
        self.values[..self.numbers]
            .iter()
            .any(|known| known == value)
    }

    /// How many values, from the first on, are numbers.
    pub fn numbers(&self) -> usize {
        self.numbers
    }

    /// The position of the largest number; `None` if all values are words.
    pub fn numbers_end(&self) -> Option<f64> {
        self.positions[..self.numbers].last().copied()
    }

    /// Whether all values are numbers.
    pub fn is_numeric(&self) -> bool {
        self.numbers == self.values.len()
    }

    /// The positions, in axis order.
    pub fn positions(&self) -> &[f64] {
        &self.positions
    }

    /// The ends of the axis, with a margin of a part of its length.
    pub fn range(&self, margin: f64) -> (f64, f64) {
        match self.positions.as_slice() {
            [first, .., last] => {
                let margin = margin * (last - first);
                (first - margin, last + margin)
            }
            [only] => (only - 0.5, only + 0.5),
            [] => (0.0, 1.0),
        }
    }

    /// The borders between neighbouring values, for the cells of a heat map.
    pub fn borders(&self) -> Vec<f64> {
        borders(&self.positions)
    }

    /// What is written along the axis.
    pub fn marks(&self) -> Vec<Tick> {
        let mut marks = match &self.positions[..self.numbers] {
            [first, .., last] if self.numbers > 7 => ticks::linear(*first, *last, 6),
            _ => self.each(0..self.numbers),
        };
        let words = self.each(self.numbers..self.values.len());
        let every = words.len().div_ceil(self.room.max(1)).max(1);
        marks.extend(words.into_iter().step_by(every));
        marks
    }

    /// Height below a panel with this horizontal scale: labels, staggered where long, and name.
    pub fn height(&self, scale: &Scale) -> f64 {
        let rows = stagger(&self.marks(), scale);
        40.0 + ROW * rows.into_iter().max().unwrap_or(0) as f64
    }

    /// Draws the axis below a panel, its name included.
    pub fn draw(&self, canvas: &mut Canvas<'_>, panel: &Panel, name: &str) {
        let frame = &panel.frame;
        let marks = self.marks();
        let rows = stagger(&marks, &panel.x);
        panel.x_axis(canvas, &marks, false);
        // Stems first: they must not cross labels that are already written.
        for (mark, &row) in marks.iter().zip(&rows).filter(|(_, row)| **row > 0) {
            let x = panel.x.at(mark.at);
            let end = frame.bottom + 6.0 + ROW * row as f64;
            let stroke = solid(Rgb::GRID.mix(Rgb::INK, 0.2), 0.7);
            canvas.line(&[(x, frame.bottom + 4.0), (x, end)], stroke);
        }
        for (mark, &row) in marks.iter().zip(&rows) {
            let at = (panel.x.at(mark.at), frame.bottom + 13.0 + ROW * row as f64);
            canvas.text(at, Anchor::Middle, &mark.label, text_font(Rgb::INK));
        }
        let centre = 0.5 * (frame.left + frame.right);
        let y = frame.bottom + self.height(&panel.x) - 8.0;
        canvas.text((centre, y), Anchor::Middle, name, text_font(Rgb::INK));
    }

    /// A mark for each of these values.
    fn each(&self, range: std::ops::Range<usize>) -> Vec<Tick> {
        range
            .map(|index| Tick {
                at: self.positions[index],
                label: labels::factor_value(&self.values[index]),
            })
            .collect()
    }
}

/// Distance between rows of labels.
const ROW: f64 = 15.0;

/// The lowest row of at most three for each label, such that none meets its neighbours in that row.
fn stagger(marks: &[Tick], scale: &Scale) -> Vec<usize> {
    const ROWS: usize = 3;
    let mut free_from = [f64::NEG_INFINITY; ROWS];
    marks
        .iter()
        .map(|mark| {
            let x = scale.at(mark.at);
            let half = 0.5 * labels::width(&mark.label, TEXT);
            let row = (0..ROWS)
                .find(|&row| x - half >= free_from[row])
                .unwrap_or(ROWS - 1);
            free_from[row] = x + half + 6.0;
            row
        })
        .collect()
}

/// Borders halfway between ascending positions; the outer ones as far out as the inner ones.
pub fn borders(positions: &[f64]) -> Vec<f64> {
    match positions {
        [] => Vec::new(),
        [only] => vec![only - 0.5, only + 0.5],
        [first, second, ..] => {
            let [.., before, last] = positions else {
                return Vec::new();
            };
            let mut borders = vec![first - 0.5 * (second - first)];
            borders.extend(positions.windows(2).map(|pair| 0.5 * (pair[0] + pair[1])));
            borders.push(last + 0.5 * (last - before));
            borders
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(values: &[&str]) -> FactorAxis {
        FactorAxis::new(values.iter().map(|&value| value.into()).collect())
    }

    #[test]
    fn numbers_are_to_scale_and_words_follow() {
        let axis = axis(&["0", "1", "4", "chrono=200"]);
        assert_eq!(axis.positions(), [0.0, 1.0, 4.0, 6.0]);
        assert_eq!(axis.position("4"), Some(4.0));
        assert_eq!(axis.position("5"), None);
        assert!(axis.is_number("1") && !axis.is_number("chrono=200"));
        assert!(!axis.is_numeric());
    }

    #[test]
    fn words_alone_stand_side_by_side() {
        let axis = axis(&["tanh", "relu", "logistic"]);
        assert_eq!(axis.positions(), [0.0, 1.0, 2.0]);
        assert_eq!(axis.borders(), [-0.5, 0.5, 1.5, 2.5]);
    }

    #[test]
    fn values_side_by_side_are_words_even_if_they_are_numbers_and_evenly_written() {
        let values = |count: usize| (0..count).map(|k| (k * k).to_string()).collect();
        let labels = |count: usize, room: usize| {
            let marks = FactorAxis::side_by_side(values(count), room).marks();
            marks.into_iter().map(|mark| mark.at).collect::<Vec<_>>()
        };
        assert_eq!(labels(3, 5), [0.0, 1.0, 2.0]);
        assert_eq!(labels(6, 4), [0.0, 2.0, 4.0]);
        assert_eq!(labels(3, 0), [0.0]);
    }

    #[test]
    fn a_single_value_has_room_around_it() {
        assert_eq!(axis(&["2"]).range(0.1), (1.5, 2.5));
        assert_eq!(axis(&["2"]).borders(), [1.5, 2.5]);
        assert_eq!(axis(&[]).range(0.1), (0.0, 1.0));
        assert!(axis(&[]).borders().is_empty());
    }
}
