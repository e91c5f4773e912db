//! Queues that stand in pages, and the count of all pages.
//!
//! A window grows at its end and is forgotten from its front. In pages it does both without moving
//! an item, and gives back what it no longer needs; the allocator keeps the spare pages. All
//! windows share one budget, which is a count of bytes.
//!
//! This file never knows what the items are.

use std::collections::VecDeque;
use std::fmt;

/// What a page takes beside its items, at most: twice its place in a queue that doubles, and the
/// allocator's head.
pub const PAGE_OVERHEAD_BYTES: usize = 32;

/// A queue this short keeps the places of its pages, though most of them are empty.
const PLACES_KEPT: usize = 16;

/// The budget that all windows share: what their pages take.
#[derive(Debug)]
pub struct Pages {
    bytes_max: usize,
    held: usize,
}

impl Pages {
    /// A budget of which nothing is taken.
    pub fn new(bytes_max: usize) -> Pages {
        Pages { bytes_max, held: 0 }
    }

    /// The most that all pages together may take.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// What they take now.
    pub fn held(&self) -> usize {
        self.held
    }

    fn take(&mut self, bytes: usize) {
        self.held += bytes;
        debug_assert!(self.held <= self.bytes_max, "{} of {}", self.held, self.bytes_max);
    }

    fn give_back(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.held);
        self.held -= bytes;
    }
}

/// A queue of items in pages of `N`. Each item has an absolute position, which it keeps.
///
/// What always holds: the pages are those in which an item between `start` and `end` stands, and
/// no others. The item at position p stands at `p % N` of its page.
pub struct Paged<T, const N: usize> {
    pages: VecDeque<Box<[T; N]>>,
    /// The position of the first item.
    start: u64,
    /// The position behind the last item.
    end: u64,
}

impl<T: Copy + Default, const N: usize> Paged<T, N> {
    /// What one page is charged.
    pub const PAGE_BYTES: usize = size_of::<[T; N]>();

    /// An empty queue whose first item will stand at this position. It holds no page.
    pub fn starting_at(start: u64) -> Self {
        Paged { pages: VecDeque::new(), start, end: start }
    }

    /// The most pages that so many items in a row ever take.
    pub const fn pages_max(items: usize) -> usize {
        items.div_ceil(N) + 1
    }

    /// The position of the first item.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The position behind the last item.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// What its pages are charged.
    pub fn held(&self) -> usize {
        self.pages.len() * Self::PAGE_BYTES
    }

    /// The item at this position, if there is one.
    pub fn get(&self, position: u64) -> Option<&T> {
        let is_here = (self.start..self.end).contains(&position);
        is_here.then(|| &self.pages[self.place(position)][offset::<N>(position)])
    }

    /// The items from `from` to `to`, in order: a piece for each page.
    ///
    /// Both must lie between start and end.
    pub fn pieces(&self, from: u64, to: u64) -> impl Iterator<Item = &[T]> {
        debug_assert!(self.start <= from && from <= to && to <= self.end);
        let mut at = from;
        std::iter::from_fn(move || {
            let first = offset::<N>(at);
            let items = (to - at).min((N - first) as u64) as usize;
            let piece = (items > 0).then(|| &self.pages[self.place(at)][first..first + items]);
            at += items as u64;
            piece
        })
    }

    /// The position of the first item that `is_before` is false of. It must be true of all items
    /// before that.
    pub fn partition_point(&self, is_before: impl Fn(&T) -> bool) -> u64 {
        let (mut low, mut high) = (self.start, self.end);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle).is_some_and(&is_before) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }

    /// Appends these items; new pages are taken from `pages`.
    pub fn append(&mut self, pages: &mut Pages, mut items: &[T]) {
        while !items.is_empty() {
            let first = offset::<N>(self.end);
            if first == 0 || self.pages.is_empty() {
                pages.take(Self::PAGE_BYTES);
                self.pages.push_back(Box::new([T::default(); N]));
            }
            let Some(page) = self.pages.back_mut() else { return };
            let (now, later) = items.split_at(items.len().min(N - first));
            page[first..first + now.len()].copy_from_slice(now);
            self.end += now.len() as u64;
            items = later;
        }
    }

    /// Forgets the items before this position; pages without any item are given back to `pages`.
    pub fn forget_before(&mut self, pages: &mut Pages, position: u64) {
        debug_assert!(position <= self.end);
        let position = position.clamp(self.start, self.end);
        let unneeded = match position == self.end {
            true => self.pages.len(),
            false => self.place(position),
        };
        self.pages.drain(..unneeded);
        pages.give_back(unneeded * Self::PAGE_BYTES);
        self.start = position;
        if self.pages.len() < self.pages.capacity() / 4 {
            self.pages.shrink_to(PLACES_KEPT.max(2 * self.pages.len()));
        }
    }

    /// Which of the pages holds this position.
    fn place(&self, position: u64) -> usize {
        (position / N as u64 - self.start / N as u64) as usize
    }
}

/// Without the items, which may be many.
impl<T, const N: usize> fmt::Debug for Paged<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{} in {} pages", self.start, self.end, self.pages.len())
    }
}

fn offset<const N: usize>(position: u64) -> usize {
    (position % N as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Small = Paged<u8, 4>;

    #[test]
    fn an_empty_queue_holds_no_page_wherever_it_stands() {
        let mut pages = Pages::new(4);
        let mut queue = Small::starting_at(7);
        assert_eq!((queue.held(), pages.held(), queue.get(7)), (0, 0, None));
        assert_eq!(queue.pieces(7, 7).count(), 0);
        queue.append(&mut pages, b"a");
        assert_eq!((queue.held(), pages.held(), queue.get(7)), (4, 4, Some(&b'a')));
        queue.forget_before(&mut pages, 8);
        assert_eq!((queue.held(), pages.held(), queue.start(), queue.end()), (0, 0, 8, 8));
    }

    #[test]
    fn a_queue_that_was_long_keeps_no_places_for_its_pages() {
        let mut pages = Pages::new(1 << 20);
        let mut queue = Small::starting_at(0);
        queue.append(&mut pages, &[0; 4000]);
        queue.forget_before(&mut pages, 3999);
        assert!(queue.pages.capacity() <= 2 * PLACES_KEPT, "{}", queue.pages.capacity());
    }

    proptest! {
        #![proptest_config(crate::cases())]

        /// The plainest thing that could be right: every item ever appended, and how many are gone.
        #[test]
        fn a_queue_holds_what_was_appended_and_no_page_more(
            base in 0u64..20,
            steps in prop::collection::vec((any::<bool>(), 0usize..14), 0..60),
        ) {
            let mut pages = Pages::new(1 << 20);
            let mut queue = Small::starting_at(base);
            let (mut all, mut gone) = (Vec::<u8>::new(), 0);
            for (appends, count) in steps {
                if appends {
                    let items: Vec<u8> = (0..count).map(|at| (all.len() + at) as u8).collect();
                    queue.append(&mut pages, &items);
                    all.extend(items);
                } else {
                    gone = (gone + count).min(all.len());
                    queue.forget_before(&mut pages, base + gone as u64);
                }
                let (start, end) = (base + gone as u64, base + all.len() as u64);
                prop_assert_eq!((queue.start(), queue.end()), (start, end));
                let pieces: Vec<&[u8]> = queue.pieces(start, end).collect();
                prop_assert_eq!(pieces.concat(), &all[gone..]);
                let item = |at: u64| *queue.get(at).unwrap();
                prop_assert!((start..end).all(|at| item(at) == all[(at - base) as usize]));
                let needed = if start < end { end.div_ceil(4) - start / 4 } else { 0 };
                prop_assert_eq!(pieces.len() as u64, needed);
                prop_assert_eq!(queue.held() as u64, 4 * needed);
                prop_assert_eq!(pages.held(), queue.held());
                prop_assert!(needed <= Small::pages_max(all.len() - gone) as u64);
            }
            queue.forget_before(&mut pages, queue.end());
            prop_assert_eq!(pages.held(), 0);
        }
    }
}
