//! Random streams keyed by names.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// The random streams of one replicate.
///
/// A stream is a pure function of (seed, replicate, name, shape): asking for another one, or
/// asking in another order, changes nothing. ChaCha8 is named and portable, so the numbers are the
/// same everywhere and in every later version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streams {
    /// The seed of the experiment.
    pub seed: u64,
    /// The number of the replicate, from 0.
    pub replicate: u64,
}

impl Streams {
    /// The stream of the quantity called `name`, such as `["inputs"]`, of the given shape.
    ///
    /// The shape is part of the key because a longer draw would otherwise start with a shorter
    /// one, and sizes that a sweep compares would not be independent.
    pub fn stream(&self, name: &[&str], shape: &[usize]) -> ChaCha8Rng {
        // Every list and string is preceded by its length, so no two keys share an encoding.
        let mut hash = Sha256::new();
        hash.update(b"vangrad stream");
        hash.update((name.len() as u64).to_le_bytes());
        for part in name {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        hash.update(self.seed.to_le_bytes());
        hash.update(self.replicate.to_le_bytes());
        hash.update((shape.len() as u64).to_le_bytes());
        for &size in shape {
            hash.update((size as u64).to_le_bytes());
        }
        ChaCha8Rng::from_seed(hash.finalize().into())
    }

    /// The streams of the weights of the cell called `label`.
    pub fn weights<'a>(&self, label: &'a str) -> WeightStreams<'a> {
        WeightStreams {
            streams: *self,
            label,
            layer: 0,
        }
    }
}

/// The random streams of one cell's weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeightStreams<'a> {
    /// The streams of the replicate.
    pub streams: Streams,
    /// The cell's label, unique in an experiment.
    pub label: &'a str,
    /// The layer within the cell, from 0.
    pub layer: usize,
}

impl WeightStreams<'_> {
    /// Those of another layer. The lowest has the streams of a cell of a single layer.
    pub fn of_layer(self, layer: usize) -> Self {
        WeightStreams { layer, ..self }
    }

    /// The stream of the matrix called `matrix`, such as `weight_hh`, of shape (rows, columns).
    pub fn stream(&self, matrix: &str, shape: (usize, usize)) -> ChaCha8Rng {
        let shape = [shape.0, shape.1];
        match self.layer {
            0 => self
                .streams
                .stream(&["weights", self.label, matrix], &shape),
            layer => {
                let layer = layer.to_string();
                let name = ["weights", self.label, matrix, &layer];
                self.streams.stream(&name, &shape)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::Rng;

    use super::*;

    const STREAMS: Streams = Streams {
        seed: 20,
        replicate: 3,
    };

    /// Changing these numbers changes every published result.
    #[test]
    fn first_draws_are_pinned() {
        let mut inputs = STREAMS.stream(&["inputs"], &[8, 16]);
        assert_eq!(
            [inputs.next_u64(), inputs.next_u64()],
            [13696018181203413177, 10894566235945659698]
        );
        let mut weights = STREAMS.weights("lstm").stream("weight_hh.f", (64, 64));
        assert_eq!(
            [weights.next_u64(), weights.next_u64()],
            [5195538734327911284, 3997579736943338202]
        );
    }

    #[test]
    fn every_part_of_the_key_matters() {
        let other_seed = Streams {
            seed: 21,
            ..STREAMS
        };
        let other_replicate = Streams {
            replicate: 4,
            ..STREAMS
        };
        // The last five differ from their neighbours only in how parts are delimited.
        let mut streams = [
            STREAMS.stream(&["inputs"], &[8, 16]),
            other_seed.stream(&["inputs"], &[8, 16]),
            other_replicate.stream(&["inputs"], &[8, 16]),
            STREAMS.stream(&["adjoint"], &[8, 16]),
            STREAMS.stream(&["inputs"], &[16, 8]),
            STREAMS.stream(&["inputs"], &[8]),
            STREAMS.stream(&["inputs"], &[8, 16, 0]),
            STREAMS.stream(&["in", "puts"], &[8, 16]),
            STREAMS.stream(&["inp", "uts"], &[8, 16]),
            STREAMS.stream(&["inputs", ""], &[8, 16]),
        ];
        let first: BTreeSet<u64> = streams.iter_mut().map(Rng::next_u64).collect();
        assert_eq!(first.len(), streams.len());
    }

    #[test]
    fn weights_are_keyed_by_label_and_matrix() {
        let mut weights = STREAMS.weights("a").stream("weight_hh", (2, 3));
        let mut named = STREAMS.stream(&["weights", "a", "weight_hh"], &[2, 3]);
        assert_eq!(weights.next_u64(), named.next_u64());
    }

    /// Changing these numbers changes every published result of more than one layer.
    #[test]
    fn first_draws_of_a_second_layer_are_pinned() {
        let lowest = STREAMS.weights("a");
        let draw = |layer| {
            lowest
                .of_layer(layer)
                .stream("weight_hh", (2, 3))
                .next_u64()
        };
        assert_eq!(draw(0), lowest.stream("weight_hh", (2, 3)).next_u64());
        assert_eq!(
            [draw(1), draw(2)],
            [10226817028055815457, 12706542564675897288]
        );
    }
}
