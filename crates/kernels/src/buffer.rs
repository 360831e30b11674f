//! Numbers that begin where a cache line begins.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
use std::ops::{Deref, DerefMut};

use crate::simd::LANES;

/// Eight numbers: a cache line, and a vector.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
struct Line([f64; LANES]);

/// A vector of numbers whose first one lies at the start of a cache line.
///
/// Eight numbers at a time are then read from one line each, instead of from two: an allocator
/// gives 16 bytes' alignment, and a product of a matrix and a single column is bound by such reads.
#[derive(Clone, Debug, Default)]
pub struct Buffer {
    lines: Vec<Line>,
    length: usize,
}

impl Buffer {
    /// An empty one.
    pub const fn new() -> Self {
        Buffer {
            lines: Vec::new(),
            length: 0,
        }
    }

    /// An empty one with room for `length` numbers.
    pub fn with_capacity(length: usize) -> Self {
        Buffer {
            lines: Vec::with_capacity(length.div_ceil(LANES)),
            length: 0,
        }
    }

    /// Changes the length; what is new is zero or what was there before.
    pub fn resize(&mut self, length: usize) {
        self.lines.resize(length.div_ceil(LANES), Line::default());
        self.length = length;
    }

    /// Changes the length; what the numbers are is not said. They are not copied to a larger place,
    /// and new ones come from the system as zeros that nobody has to write.
    pub fn renew(&mut self, length: usize) {
        let lines = length.div_ceil(LANES);
        if self.lines.capacity() < lines {
            self.lines = Vec::new();
            self.lines = zeros(lines);
        }
        self.resize(length);
    }
}

/// `vec![Line::default(); lines]`, which would write every one of them.
fn zeros(lines: usize) -> Vec<Line> {
    let layout = Layout::array::<Line>(lines).expect("a buffer fits the address space");
    if layout.size() == 0 {
        return Vec::new();
    }
    // SAFETY: the layout is that of a vector of so many lines, its size is not 0, and a line of zero
    // bytes is eight zeros.
    unsafe {
        let first = alloc_zeroed(layout).cast::<Line>();
        if first.is_null() {
            handle_alloc_error(layout);
        }
        Vec::from_raw_parts(first, lines, lines)
    }
}

impl Deref for Buffer {
    type Target = [f64];

    #[inline]
    fn deref(&self) -> &[f64] {
        // SAFETY: a line is eight numbers without padding, so the lines are 8·n of them in a row,
        // and `length` is no more than that.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.length) }
    }
}

impl DerefMut for Buffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [f64] {
        // SAFETY: as above; `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.length) }
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
        for length in [1, 7, 8, 9, 1000, 3, 0, 70_000] {
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
}
