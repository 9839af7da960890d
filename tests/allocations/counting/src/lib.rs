//! The system's allocator, counting: for each thread, and for the whole process.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering},
};

/// Counts what is asked of it, and passes it on to [`System`]. Made the global allocator with
/// `#[global_allocator] static ALLOCATOR: Counting = Counting;`.
#[derive(Debug)]
pub struct Counting;

/// How often the calling thread asked for memory so far: new, or more for what it had.
#[must_use]
pub fn of_this_thread() -> u64 {
    THREAD.with(Cell::get)
}

/// How many bytes the calling thread has been given and has not given back. (What one thread is given and another gives back
/// counts for both.)
#[must_use]
pub fn held_by_this_thread() -> i64 {
    HELD.with(Cell::get)
}

/// How often all threads together did.
#[must_use]
pub fn of_the_process() -> u64 {
    PROCESS.load(Ordering::Relaxed)
}

// Neither allocates: the one is made with its thread and never dropped, the other with the program.
thread_local! {
    static THREAD: Cell<u64> = const { Cell::new(0) };
    static HELD: Cell<i64> = const { Cell::new(0) };
}
static PROCESS: AtomicU64 = AtomicU64::new(0);

fn count(bytes: usize) {
    THREAD.with(|count| count.set(count.get() + 1));
    hold(bytes as i64);
    PROCESS.fetch_add(1, Ordering::Relaxed);
}

fn hold(bytes: i64) {
    HELD.with(|held| held.set(held.get().wrapping_add(bytes)));
}

#[expect(unsafe_code, reason = "`GlobalAlloc` is an unsafe trait, and its methods are unsafe functions")]
// SAFETY: every call goes to `System`, with its arguments as they are, and counting neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise is `System`'s condition.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise is `System`'s condition.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        hold(-(layout.size() as i64));
        // SAFETY: the caller's promise is `System`'s condition; `memory` is `System`'s, as all memory is.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        hold(-(layout.size() as i64));
        // SAFETY: the caller's promise is `System`'s condition; `memory` is `System`'s, as all memory is.
        unsafe { System.dealloc(memory, layout) }
    }
}
