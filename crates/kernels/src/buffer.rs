//! Numbers that begin where a cache line begins.
#![allow(unsafe_code)]

use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;

use crate::simd::LANES;

/// Eight numbers: a cache line, and a vector.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
struct Line([f64; LANES]);

/// A vector of numbers whose first one lies at the start of a cache line.
///
/// Eight numbers at a time are then read from one line each, instead of from two: an allocator
/// gives 16 bytes' alignment, and a product of a matrix and a single column is bound by such reads.
#[derive(Debug, Default)]
pub struct Buffer {
    lines: Vec<Line>,
    /// Instead of `lines`, if there are many.
    mapped: Option<Mapped>,
    length: usize,
}

impl Buffer {
    /// An empty one.
    pub const fn new() -> Self {
        Buffer {
            lines: Vec::new(),
            mapped: None,
            length: 0,
        }
    }

    /// An empty one with room for `length` numbers.
    pub fn with_capacity(length: usize) -> Self {
        Buffer {
            lines: Vec::with_capacity(length.div_ceil(LANES)),
            ..Self::new()
        }
    }

    /// Changes the length; what is new is zero or what was there before.
    pub fn resize(&mut self, length: usize) {
        let lines = length.div_ceil(LANES);
        match &self.mapped {
            Some(mapped) if lines <= mapped.lines => {}
            Some(_) => {
                let mut larger = Self::new();
                larger.lines.resize(lines, Line::default());
                larger.length = self.length;
                larger.copy_from_slice(self);
                *self = larger;
            }
            None => self.lines.resize(lines, Line::default()),
        }
        self.length = length;
    }

    /// Changes the length; what the numbers are is not said. They are not copied to a larger place,
    /// and many come from the system, in pages as large as it has, as zeros that nobody has to write.
    pub fn renew(&mut self, length: usize) {
        let lines = length.div_ceil(LANES);
        let room = match &self.mapped {
            Some(mapped) => mapped.lines,
            None => self.lines.capacity(),
        };
        if room < lines {
            *self = Self::new();
            self.mapped = Mapped::new(lines);
        }
        self.resize(length);
    }
}

/// Memory straight from the system.
#[derive(Debug)]
struct Mapped {
    memory: MmapMut,
    lines: usize,
}

impl Mapped {
    /// Below this size, in bytes, a page more or less makes no difference.
    const LARGE: usize = 4 << 20;
    /// Pages of the larger size on most machines. A multiple of them may begin where one begins.
    const PAGE: usize = 2 << 20;

    /// So many lines of zeros; none if they are few, or the system cannot give them like this.
    fn new(lines: usize) -> Option<Self> {
        let bytes = lines.checked_mul(size_of::<Line>())?;
        if bytes < Self::LARGE {
            return None;
        }
        let bytes = bytes.checked_next_multiple_of(Self::PAGE)?;
        let memory = MmapMut::map_anon(bytes).ok()?;
        // A trajectory is written once from one end to the other: with pages of 4 KiB the faults of
        // the first time were 4 % of a sweep, and as much again of its end. Where there are no others,
        // nothing is lost.
        #[cfg(target_os = "linux")]
        let _ = memory.advise(memmap2::Advice::HugePage);
        Some(Mapped { memory, lines })
    }
}

impl Deref for Buffer {
    type Target = [f64];

    #[inline]
    fn deref(&self) -> &[f64] {
        let first = match &self.mapped {
            Some(mapped) => mapped.memory.as_ptr().cast(),
            None => self.lines.as_ptr().cast(),
        };
        // SAFETY: a line is eight numbers without padding, so lines are 8·n of them in a row, and
        // `length` is no more than that. Mapped memory begins with a page, is at least as long as the
        // lines it stands for, and any bytes are numbers.
        unsafe { std::slice::from_raw_parts(first, self.length) }
    }
}

impl DerefMut for Buffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [f64] {
        let first = match &mut self.mapped {
            Some(mapped) => mapped.memory.as_mut_ptr().cast(),
            None => self.lines.as_mut_ptr().cast(),
        };
        // SAFETY: as above; `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(first, self.length) }
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        let mut copy = Self::new();
        copy.renew(self.length);
        copy.copy_from_slice(self);
        copy
    }
}

impl PartialEq for Buffer {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_slice_that_begins_with_a_cache_line_whatever_its_length() {
        let mut buffer = Buffer::new();
        for length in [1, 7, 8, 9, 1000, 3, 0, 70_000, 600_000] {
            buffer.resize(length);
            assert_eq!(buffer.len(), length);
            assert_eq!(buffer.as_ptr().addr() % 64, 0);
            buffer
                .iter_mut()
                .enumerate()
                .for_each(|(k, v)| *v = k as f64);
            let copy = buffer.clone();
            assert_eq!(copy, buffer);
            assert!(copy.iter().enumerate().all(|(k, v)| *v == k as f64));
            if let Some(last) = buffer.last_mut() {
                *last += 1.0;
                assert_ne!(copy, buffer);
            }
            let mut renewed = Buffer::new();
            renewed.renew(length);
            assert_eq!((renewed.len(), renewed.as_ptr().addr() % 64), (length, 0));
            assert!(renewed.iter().all(|v| *v == 0.0));
            renewed.renew(length / 2);
            assert_eq!(renewed.len(), length / 2);
        }
    }
    #[test]
    fn many_numbers_stay_the_same_when_their_place_changes() {
        let mut buffer = Buffer::new();
        buffer.renew(600_000);
        assert!(buffer.mapped.is_some());
        let last = buffer.len() - 1;
        (buffer[0], buffer[last]) = (1.0, 2.0);
        buffer.resize(10);
        assert_eq!((buffer.len(), buffer[0]), (10, 1.0));
        buffer.resize(last + 1);
        assert_eq!((buffer[0], buffer[last]), (1.0, 2.0));
        // More than is mapped.
        buffer.resize(900_000);
        assert!(buffer.mapped.is_none());
        assert_eq!((buffer[0], buffer[last], buffer[899_999]), (1.0, 2.0, 0.0));
        assert_eq!(buffer.as_ptr().addr() % 64, 0);
    }
}
