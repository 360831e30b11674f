//! Text → checked configuration, with `--set`.
//!
//! An input is the text of a file, then, each after a NUL byte, the arguments of `--set`. No TOML and
//! no command line can hold a NUL, so nothing is lost.

#![no_main]

use experiments::config::Config;
use libfuzzer_sys::{Corpus, fuzz_target};
use vangrad_fuzz::within;

/// The lists of known names and the like, which errors and an empty figure list hold.
const BASE: usize = 64 << 10;
/// Bytes held for each of the text: the parser's events, its tree and ours have some ten words for a
/// character that is a value of its own.
const PER_BYTE: usize = 512;
/// Bytes of one layer of one point of the grid, which a short text may have many of.
const PER_LAYER: usize = 2 << 10;
/// What is allowed for the grid of a text that is refused after it was laid out, since then nobody
/// knows how large it was.
const REFUSED: usize = 64 << 20;

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Corpus::Reject;
    };
    let mut parts = text.split('\0');
    let text = parts.next().unwrap_or_default();
    let sets: Vec<String> = parts.map(str::to_owned).collect();
    let loaded = within(
        || Config::load(text, "fuzz.toml", &sets),
        |loaded| {
            let of_text = BASE + PER_BYTE * bytes.len();
            of_text
                + match loaded {
                    Err(_) => REFUSED,
                    Ok(loaded) => {
                        let points = loaded.grid.iter();
                        let layers = points.map(|point| point.cell.layers().len());
                        layers.sum::<usize>() * PER_LAYER
                            + loaded.grid.len() * (PER_LAYER + bytes.len())
                    }
                }
        },
    );
    match loaded {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(loaded) => {
            // The file that is stored beside the results must be the same experiment.
            let written = loaded.config.to_toml();
            match Config::load(&written, "config.toml", &[]) {
                Ok(again) => assert_eq!(again.config, loaded.config, "{written}"),
                Err(error) => panic!("{error}\n{written}"),
            }
        }
    }
    Corpus::Keep
});
