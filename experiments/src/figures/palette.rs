//! Colours that the colour-blind can tell apart (Okabe and Ito, 2008), the same for a cell everywhere.

/// Red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

impl Rgb {
    pub const WHITE: Self = Self(255, 255, 255);
    pub const BLACK: Self = Self(0, 0, 0);
    /// Text and frames.
    pub const INK: Self = Self(34, 34, 34);
    /// Secondary text.
    pub const GREY: Self = Self(95, 95, 95);
    /// Grid lines.
    pub const GRID: Self = Self(228, 228, 228);
    /// Where a heat map has no value.
    pub const NO_VALUE: Self = Self(200, 200, 200);

    /// The colour on the way from this to `other`, at `part` ∈ [0, 1].
    pub fn mix(self, other: Self, part: f64) -> Self {
        let part = part.clamp(0.0, 1.0);
        let channel = |from: u8, to: u8| {
            (f64::from(from) + part * (f64::from(to) - f64::from(from))).round() as u8
        };
        Self(
            channel(self.0, other.0),
            channel(self.1, other.1),
            channel(self.2, other.2),
        )
    }
}

/// Of the vanilla RNN.
pub const BLUE: Rgb = Rgb(0, 114, 178);
/// Of the LSTM.
pub const VERMILLION: Rgb = Rgb(213, 94, 0);
/// Of the GRU.
pub const PURPLE: Rgb = Rgb(204, 121, 167);
/// For further cells: bluish green, reddish purple, orange, sky blue.
pub const FURTHER: [Rgb; 4] = [
    Rgb(0, 158, 115),
    Rgb(204, 121, 167),
    Rgb(230, 159, 0),
    Rgb(86, 180, 233),
];

/// What a kind has in every figure.
const OF_KINDS: [(&str, Rgb); 7] = [
    ("vanilla-rnn", BLUE),
    ("lstm", VERMILLION),
    ("gru", PURPLE),
    ("lru", Rgb(230, 159, 0)),
    ("antisymmetric-rnn", Rgb(86, 180, 233)),
    ("orthogonal-rnn", Rgb(34, 34, 34)),
    ("lstm-1997", Rgb(0, 158, 115)),
];

/// One colour per cell, given their kinds in the config's order. The first cell of a kind has the
/// kind's colour, so that a vanilla RNN is blue in every figure; the others have what is left.
pub fn cell_colours(kinds: &[&str]) -> Vec<Rgb> {
    let own = |kind: &str| {
        let found = OF_KINDS.iter().find(|(known, _)| *known == kind);
        found.map(|(_, colour)| *colour)
    };
    let mut used: Vec<Rgb> = kinds.iter().filter_map(|kind| own(kind)).collect();
    let mut seen = Vec::new();
    let mut further = FURTHER.iter().copied().cycle();
    let colours = kinds.iter().map(|kind| {
        let first = !seen.contains(kind);
        seen.push(*kind);
        if let Some(colour) = own(kind).filter(|_| first) {
            return colour;
        }
        let unused = FURTHER.iter().find(|colour| !used.contains(colour));
        let colour = unused.copied().or_else(|| further.next());
        let colour = colour.unwrap_or(Rgb::BLACK);
        used.push(colour);
        colour
    });
    colours.collect()
}

/// `count` shades of a colour from light to dark, for the lines of one cell.
pub fn shades(colour: Rgb, count: usize) -> Vec<Rgb> {
    if count == 1 {
        return vec![colour];
    }
    (0..count)
        .map(|index| {
            let place = 2.0 * index as f64 / (count - 1) as f64 - 1.0;
            if place < 0.0 {
                colour.mix(Rgb::WHITE, -0.42 * place)
            } else {
                colour.mix(Rgb::BLACK, 0.55 * place)
            }
        })
        .collect()
}

/// The lines of one cell for these values of a factor: shades of its colour. Words among numbers are
/// on no scale with them: theirs are grey.
pub fn line_colours(colour: Rgb, values: &[String]) -> Vec<Rgb> {
    let is_number = |value: &&String| value.parse::<f64>().is_ok();
    let numbers = values.iter().filter(is_number).count();
    if numbers == 0 {
        return shades(colour, values.len());
    }
    let mut own = shades(colour, numbers).into_iter();
    let mut greys = shades(Rgb(120, 120, 120), values.len() - numbers).into_iter();
    let shade = |value| {
        if is_number(&value) {
            own.next()
        } else {
            greys.next()
        }
    };
    values.iter().filter_map(shade).collect()
}

/// A colour for labels in a shade that may be too light to read.
pub fn readable(shade: Rgb) -> Rgb {
    shade.mix(Rgb::BLACK, 0.3)
}

/// A colour map on [0, 1]: straight lines between equally spaced colours.
#[derive(Clone, Copy, Debug)]
pub struct ColourMap(&'static [Rgb]);

impl ColourMap {
    /// Light to dark blue-green, for fractions.
    pub const SEQUENTIAL: Self = Self(&[
        Rgb(255, 255, 229),
        Rgb(199, 233, 192),
        Rgb(92, 184, 170),
        Rgb(32, 120, 155),
        Rgb(20, 44, 100),
    ]);
    /// Blue through white to vermillion, for values on both sides of 0.
    pub const DIVERGING: Self = Self(&[
        Rgb(5, 48, 97),
        Rgb(49, 124, 183),
        Rgb(160, 203, 226),
        Rgb(248, 248, 246),
        Rgb(248, 190, 140),
        Rgb(213, 94, 0),
        Rgb(110, 36, 0),
    ]);

    /// The colour at `place` ∈ [0, 1].
    pub fn at(self, place: f64) -> Rgb {
        let scaled = place.clamp(0.0, 1.0) * (self.0.len() - 1) as f64;
        let index = (scaled as usize).min(self.0.len() - 2);
        self.0[index].mix(self.0[index + 1], scaled - index as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_kinds_keep_their_colour_and_no_two_cells_share_one() {
        assert_eq!(cell_colours(&["lstm"]), [VERMILLION]);
        let colours = cell_colours(&["lstm", "vanilla-rnn", "lstm", "gru", "stack", "lstm"]);
        assert_eq!(colours[..2], [VERMILLION, BLUE]);
        assert_eq!(
            colours[2..],
            [FURTHER[0], PURPLE, FURTHER[2], FURTHER[3]],
            "a later cell takes no known kind's colour that is in use"
        );
        let all: Vec<&str> = OF_KINDS.iter().map(|(kind, _)| *kind).collect();
        let colours = cell_colours(&all);
        assert!((1..all.len()).all(|k| !colours[..k].contains(&colours[k])));
    }

    #[test]
    fn shades_run_from_light_to_dark_through_the_colour() {
        let shades = shades(BLUE, 5);
        assert_eq!(shades[2], BLUE);
        let brightness = |rgb: &Rgb| u32::from(rgb.0) + u32::from(rgb.1) + u32::from(rgb.2);
        assert!(shades.is_sorted_by_key(|rgb| std::cmp::Reverse(brightness(rgb))));
    }

    #[test]
    fn words_among_numbers_are_grey() {
        let values = |values: &[&str]| values.iter().map(|&value| value.into()).collect::<Vec<_>>();
        let colours = line_colours(BLUE, &values(&["0", "5", "chrono=200"]));
        assert_eq!(colours[..2], shades(BLUE, 2));
        assert_eq!(colours[2], Rgb(120, 120, 120));
        assert_eq!(
            line_colours(BLUE, &values(&["relu", "tanh"])),
            shades(BLUE, 2)
        );
        assert_eq!(line_colours(BLUE, &values(&["1"])), [BLUE]);
    }

    #[test]
    fn colour_map_ends_at_its_end_colours() {
        assert_eq!(ColourMap::DIVERGING.at(-1.0), Rgb(5, 48, 97));
        assert_eq!(ColourMap::DIVERGING.at(0.5), Rgb(248, 248, 246));
        assert_eq!(ColourMap::DIVERGING.at(2.0), Rgb(110, 36, 0));
    }
}
