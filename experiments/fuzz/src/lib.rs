//! What the fuzz targets share: a measure of the memory that a reader takes.
//!
//! The main decision is to count rather than to trust a limit of the process: a file of a hundred
//! bytes that asks for a hundred megabytes gets away with any limit that lets honest files pass.
//! Bytes are counted as they are asked for, touched or not, because a machine may refuse either.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The system's allocator, counting.
struct Counting;

/// Bytes held now.
static HELD: AtomicUsize = AtomicUsize::new(0);
/// The most that were held at once since the last [`within`] began.
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn grow(bytes: usize) {
    let held = HELD.fetch_add(bytes, Relaxed) + bytes;
    PEAK.fetch_max(held, Relaxed);
}

fn shrink(bytes: usize) {
    HELD.fetch_sub(bytes, Relaxed);
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every method passes its arguments on to `System` unchanged and returns what it returns,
// so `System`'s guarantees are ours. Counting touches atomic integers and cannot allocate, unwind or
// re-enter.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: the caller's promise about `layout` is the one `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both may be there at once while the bytes are moved.
        grow(size);
        // SAFETY: `pointer` came from `System` with `layout`, because all of the above did.
        let moved = unsafe { System.realloc(pointer, layout, size) };
        shrink(layout.size());
        moved
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        shrink(layout.size());
        // SAFETY: as in `realloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What `read` returns.
///
/// # Panics
/// If it held more bytes at once than `allowed` says of the result. Memory is counted for the whole
/// process, so nothing else may run beside it.
pub fn within<T>(read: impl FnOnce() -> T, allowed: impl FnOnce(&T) -> usize) -> T {
    let before = HELD.load(Relaxed);
    PEAK.store(before, Relaxed);
    let result = read();
    let taken = PEAK.load(Relaxed) - before;
    let allowed = allowed(&result);
    assert!(
        taken <= allowed,
        "the reader held {taken} bytes at once, more than the {allowed} that its input is worth"
    );
    result
}
