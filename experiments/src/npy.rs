//! NumPy's `.npy` files: bytes to a shape and numbers. Pure.
//!
//! The format is NEP 1's, versions 1 to 3: a magic number, the length of a header, the header, the
//! numbers. The header is a Python dictionary, of which this module reads what NumPy and its kin
//! write for an array of numbers (strings without escapes, `True`, `False`, a tuple of whole
//! numbers) and nothing else: readers of Python's whole grammar take a time that doubles with every
//! bracket. Nothing is reserved on a header's word: as many numbers are read as there are bytes.

/// What a `.npy` file begins with.
pub const MAGIC: &[u8] = b"\x93NUMPY";

/// A shape, and as many numbers, the last index fastest.
pub type Decoded = (Vec<usize>, Vec<f64>);

/// The shape and the numbers of a `.npy` file in C order, of double or single precision, widened.
///
/// # Errors
/// What is wrong with the file and what was expected, in words.
pub fn decode(bytes: &[u8]) -> Result<Decoded, String> {
    let (header, data) = split(bytes)?;
    let header = Header::parse(header).map_err(|problem| {
        format!("unreadable header of a .npy file: {problem}; save it again with numpy.save")
    })?;
    let Header {
        descr,
        fortran_order,
        shape,
    } = header;
    if fortran_order {
        return Err("expected an array in C order, found Fortran order; \
                    save numpy.ascontiguousarray(x)"
            .to_owned());
    }
    let values = match descr.trim_matches(['\'', '"']) {
        "<f8" => words(data, &shape, f64::from_le_bytes),
        ">f8" => words(data, &shape, f64::from_be_bytes),
        "<f4" => words(data, &shape, |word| f64::from(f32::from_le_bytes(word))),
        ">f4" => words(data, &shape, |word| f64::from(f32::from_be_bytes(word))),
        _ => {
            return Err(format!(
                "expected numbers of type float64 or float32, found {descr}; \
                 save x.astype(numpy.float64)"
            ));
        }
    }?;
    Ok((shape, values))
}

/// The header and what follows it.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let short = || "damaged .npy file: it ends within its header".to_owned();
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(short)?;
    let ([major, minor], rest) = rest.split_first_chunk().ok_or_else(short)?;
    let (length, rest) = match (major, minor) {
        (1, 0) => {
            let (length, rest) = rest.split_first_chunk().ok_or_else(short)?;
            (u32::from(u16::from_le_bytes(*length)), rest)
        }
        (2 | 3, 0) => {
            let (length, rest) = rest.split_first_chunk().ok_or_else(short)?;
            (u32::from_le_bytes(*length), rest)
        }
        _ => {
            return Err(format!(
                "expected a .npy file of version 1.0, 2.0 or 3.0, found {major}.{minor}"
            ));
        }
    };
    rest.split_at_checked(length as usize).ok_or_else(short)
}

/// As many numbers as the shape says, from the beginning of `data`.
fn words<const N: usize>(
    data: &[u8],
    shape: &[usize],
    number: impl Fn([u8; N]) -> f64,
) -> Result<Vec<f64>, String> {
    let expected = shape
        .iter()
        .try_fold(1_usize, |product, size| product.checked_mul(*size))
        .ok_or_else(|| format!("damaged .npy file: a shape of {shape:?}"))?;
    let (words, _) = data.as_chunks();
    let words = words.get(..expected).ok_or_else(|| {
        format!(
            "truncated .npy file: {} of {expected} values",
            words.len().min(expected)
        )
    })?;
    Ok(words.iter().map(|word| number(*word)).collect())
}

/// What a header says.
#[derive(Debug, PartialEq)]
struct Header {
    /// The type of the numbers as it is written, with its quotes.
    descr: String,
    fortran_order: bool,
    shape: Vec<usize>,
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = str::from_utf8(bytes).map_err(|_| "a header that is no text".to_owned())?;
        let mut rest = Text(text);
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        rest.expect('{')?;
        while !rest.skip('}') {
            let key = rest.string()?;
            rest.expect(':')?;
            match key.trim_matches(['\'', '"']) {
                "descr" => descr = Some(rest.descr()?.to_owned()),
                "fortran_order" => fortran_order = Some(rest.boolean()?),
                "shape" => shape = Some(rest.shape()?),
                _ => return Err(format!("an unknown key {key}")),
            }
            if !rest.skip(',') {
                rest.expect('}')?;
                break;
            }
        }
        let missing = |key: &str| format!("no `{key}`");
        Ok(Header {
            descr: descr.ok_or_else(|| missing("descr"))?,
            fortran_order: fortran_order.ok_or_else(|| missing("fortran_order"))?,
            shape: shape.ok_or_else(|| missing("shape"))?,
        })
    }
}

/// What is left of a header.
struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    /// Whether a character comes next, spaces aside; if so, it is passed.
    fn skip(&mut self, wanted: char) -> bool {
        self.0 = self.0.trim_start();
        let rest = self.0.strip_prefix(wanted);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.skip(wanted) {
            Ok(())
        } else {
            Err(self.instead_of(&format!("`{wanted}`")))
        }
    }

    fn instead_of(&self, wanted: &str) -> String {
        const SHOWN: usize = 20;
        let found = self.0.trim().chars().take(SHOWN);
        let found: String = found.filter(|c| !c.is_control()).collect();
        let found = if found.is_empty() {
            "its end".to_owned()
        } else {
            format!("`{found}`")
        };
        format!("expected {wanted}, found {found}")
    }

    /// The first `length` bytes, which are passed.
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    /// A string with its quotes.
    fn string(&mut self) -> Result<&'a str, String> {
        self.0 = self.0.trim_start();
        let quote = self.0.chars().next().filter(|c| ['\'', '"'].contains(c));
        let end = quote.and_then(|quote| self.0[1..].find(quote));
        match end {
            Some(end) => Ok(self.take(end + 2)),
            None => Err(self.instead_of("a string")),
        }
    }

    /// A type; the list of a record's is none.
    fn descr(&mut self) -> Result<&'a str, String> {
        self.0 = self.0.trim_start();
        if self.0.starts_with('[') {
            return Err(self.instead_of("one type of number, not a record's"));
        }
        self.string()
    }

    fn boolean(&mut self) -> Result<bool, String> {
        self.0 = self.0.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if self.0.starts_with(word) {
                self.take(word.len());
                return Ok(value);
            }
        }
        Err(self.instead_of("True or False"))
    }

    /// A tuple of whole numbers, which in Python 2 end in an L.
    fn shape(&mut self) -> Result<Vec<usize>, String> {
        let mut shape = Vec::new();
        self.expect('(')?;
        while !self.skip(')') {
            self.0 = self.0.trim_start();
            let end = self.0.find(|c: char| !c.is_ascii_digit());
            let digits = &self.0[..end.unwrap_or(self.0.len())];
            let size = digits.parse();
            shape.push(size.map_err(|_| self.instead_of("a whole number of 64 bits"))?);
            self.take(digits.len());
            self.skip('L');
            if !self.skip(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of version 1.0 with this header.
    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        [MAGIC, &[1, 0], &length, header.as_bytes(), data].concat()
    }

    fn header(descr: &str, shape: &str) -> String {
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}   \n")
    }

    fn refusal(bytes: &[u8]) -> String {
        decode(bytes).unwrap_err()
    }

    #[test]
    fn both_precisions_and_byte_orders_are_widened() {
        let values = [1.5_f64, -2.0, 0.25];
        let singles = values.map(|value| value as f32);
        for (descr, data) in [
            ("<f8", values.map(f64::to_le_bytes).concat()),
            (">f8", values.map(f64::to_be_bytes).concat()),
            ("<f4", singles.map(f32::to_le_bytes).concat()),
            (">f4", singles.map(f32::to_be_bytes).concat()),
        ] {
            let read = decode(&file(&header(descr, "(3, 1)"), &data));
            assert_eq!(read, Ok((vec![3, 1], values.to_vec())), "{descr}");
        }
    }

    #[test]
    fn headers_are_read_however_their_dictionary_is_written() {
        let data = 2.5_f64.to_le_bytes();
        for (text, shape) in [
            (
                "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }",
                vec![1],
            ),
            (
                "{'descr': '<f8', 'fortran_order': False, 'shape': (1L, 1L)}",
                vec![1, 1],
            ),
            (
                "{'descr': '<f8', 'fortran_order': False, 'shape': ()}",
                vec![],
            ),
            (
                " {\"shape\":(1,1,1),\"fortran_order\":False,\"descr\":\"<f8\"}\n",
                vec![1, 1, 1],
            ),
        ] {
            assert_eq!(decode(&file(text, &data)), Ok((shape, vec![2.5])), "{text}");
        }
    }

    #[test]
    fn the_length_of_a_header_has_four_bytes_from_version_2_on() {
        let text = header("<f8", "(1,)");
        let length = u32::try_from(text.len()).unwrap().to_le_bytes();
        for version in [2, 3] {
            let data = 2.5_f64.to_le_bytes();
            let bytes = [MAGIC, &[version, 0], &length, text.as_bytes(), &data].concat();
            assert_eq!(decode(&bytes), Ok((vec![1], vec![2.5])));
        }
        let refusal = refusal(&[MAGIC, &[4, 0], &length, text.as_bytes()].concat());
        assert!(refusal.contains("found 4.0"), "{refusal}");
    }

    #[test]
    fn a_header_that_says_it_is_longer_than_the_file_is_refused() {
        // Four gigabytes, by its word.
        let bytes = [MAGIC, &[2, 0], &[0xff; 4], b"{'descr': "].concat();
        assert!(refusal(&bytes).contains("ends within its header"));
    }

    #[test]
    fn brackets_within_brackets_are_refused_at_once() {
        // A parser that tries a list again for each of its two ways to end would take 2⁴⁰ steps.
        for deep in [40, 60_000] {
            let text = "[".repeat(deep) + &"]".repeat(deep.min(40));
            let text = format!("{{'descr': {text}");
            let refusal = refusal(&file(&text, &[]));
            assert!(refusal.contains("expected one type of number"), "{refusal}");
            assert!(refusal.len() < 200, "{refusal}");
        }
    }

    #[test]
    fn a_shape_of_more_numbers_than_there_can_be_is_refused() {
        for shape in [
            "(4294967296, 4294967296, 1)",
            "(1, 4294967296, 4294967296, 0)",
            "(18446744073709551616,)",
            "(-1,)",
        ] {
            let refusal = refusal(&file(&header("<f8", shape), &[0; 8]));
            assert!(refusal.contains(".npy file"), "{refusal}");
        }
        // This many could be, but are not.
        let refusal = refusal(&file(&header("<f8", "(1152921504606846976,)"), &[0; 8]));
        assert!(refusal.contains("1 of 1152921504606846976"), "{refusal}");
        // None are none, in whatever order it is said.
        let none = decode(&file(&header("<f8", "(0, 4294967296, 4294967296)"), &[]));
        assert_eq!(none, Ok((vec![0, 1 << 32, 1 << 32], vec![])));
    }

    #[test]
    fn refusals_say_what_was_found() {
        for (text, part) in [
            ("", "expected `{`, found its end"),
            ("{'descr': '<f8', 'shape': (1,), }", "no `fortran_order`"),
            ("{'descr': '<f8' 'shape'", "expected `}`"),
            (
                "{'descr': '<f8', 'fortran_order': 0",
                "expected True or False",
            ),
            ("{'shape': (1, x)", "a whole number of 64 bits, found `x)`"),
            ("{'shape': [1]", "expected `(`"),
            ("{'other': 1", "an unknown key 'other'"),
            ("{é", "expected a string, found `é`"),
            ("{'descr': [('a', '<f8')]", "found `[('a', '<f8')]`"),
        ] {
            let refusal = refusal(&file(text, &[0; 8]));
            assert!(refusal.contains(part), "{part:?} is not in {refusal:?}");
        }
        let complex = refusal(&file(&header("<c16", "(1,)"), &[0; 16]));
        assert!(
            complex.contains("float64 or float32, found '<c16'"),
            "{complex}"
        );
    }
}
