//! Queues that are stored in pages, and the count of all pages.
//!
//! A window grows at its end and forgets its front. In pages it does both without moving an item,
//! and frees what it no longer needs. All windows share one budget, which is a count of bytes.
//! There may be thousands of windows, and most are short. So the only page of a short one is no
//! larger than it needs.
//!
//! This file never knows what the items are.

use std::collections::VecDeque;
use std::fmt;

/// The smallest page has room for the items of a whole one, divided by this.
const SMALLEST: usize = 32;

/// The most that a page takes beside its items: twice its place in a queue that doubles, and the
/// allocator's header.
const PAGE_OVERHEAD_BYTES: usize = 64;

/// A queue this short keeps the places of its pages, even if most are empty.
const PLACES_KEPT: usize = 16;

/// A queue that has pages for this many times as many items as it holds is moved into one that
/// fits.
const WASTE_MAX: usize = 4;

/// The budget that all windows share: the bytes of their pages.
#[derive(Debug)]
pub struct Pages {
    bytes_max: usize,
    held: usize,
}

impl Pages {
    /// A budget of which nothing is used.
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

    /// Whether this many bytes more may be taken.
    pub fn have(&self, bytes: usize) -> bool {
        self.held + bytes <= self.bytes_max
    }

    fn take(&mut self, bytes: usize) {
        debug_assert!(self.have(bytes), "{} and {bytes} of {}", self.held, self.bytes_max);
        self.held += bytes;
    }

    fn give_back(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.held);
        self.held -= bytes;
    }
}

/// A queue of items in pages of `N`. Each item keeps its absolute position.
///
/// Always `base <= start <= end`. The first page begins with the item at `base`. Each page but the
/// last is full. Each page has room for `N`, unless it is the only one.
pub struct Paged<T, const N: usize> {
    pages: VecDeque<Vec<T>>,
    /// The position of the first item that is still in a page.
    base: u64,
    /// The position of the first item that is not forgotten.
    start: u64,
    /// The position behind the last item.
    end: u64,
}

impl<T: Copy, const N: usize> Paged<T, N> {
    /// An empty queue whose first item will stand at this position. It holds no page.
    pub fn starting_at(start: u64) -> Self {
        Paged { pages: VecDeque::new(), base: start, start, end: start }
    }

    /// The position of the first item.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The position behind the last item.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The bytes of its pages.
    pub fn held(&self) -> usize {
        match (self.pages.len(), self.pages.front()) {
            (1, Some(only)) => Self::page_bytes(only.capacity()),
            (pages, _) => pages * Self::page_bytes(N),
        }
    }

    /// How many bytes more its pages would take with this many items more.
    pub fn needs(&self, items: usize) -> usize {
        let last = self.pages.back().map_or((0, 0), |page| (page.len(), page.capacity()));
        let (filled, room) = last;
        if filled + items <= room {
            return 0;
        }
        let before = if self.pages.len() == 1 { Self::page_bytes(room) } else { 0 };
        match filled + items {
            all if self.pages.len() <= 1 && all <= N => {
                Self::page_bytes(fitting::<N>(all)) - before
            }
            all if self.pages.len() <= 1 => all.div_ceil(N) * Self::page_bytes(N) - before,
            all => (all - N).div_ceil(N) * Self::page_bytes(N),
        }
    }

    /// The bytes of a page with room for this many items.
    const fn page_bytes(items: usize) -> usize {
        items * size_of::<T>() + PAGE_OVERHEAD_BYTES
    }

    /// The item at this position, if there is one.
    pub fn get(&self, position: u64) -> Option<&T> {
        let is_here = (self.start..self.end).contains(&position);
        is_here.then(|| &self.pages[self.page(position)][self.offset(position)])
    }

    /// The items from `from` to `to`, in order: a piece for each page.
    ///
    /// Both must lie between start and end.
    pub fn pieces(&self, from: u64, to: u64) -> impl Iterator<Item = &[T]> {
        debug_assert!(self.start <= from && from <= to && to <= self.end);
        let mut at = from;
        std::iter::from_fn(move || {
            let first = self.offset(at);
            let items = (to - at).min((N - first) as u64) as usize;
            let piece = (items > 0).then(|| &self.pages[self.page(at)][first..first + items]);
            at += items as u64;
            piece
        })
    }

    /// The position of the first item for which `is_before` is false. It must be true for all items
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
            let page = self.page_with_room(pages, items.len());
            let (now, later) = items.split_at(items.len().min(page.capacity() - page.len()));
            page.extend_from_slice(now);
            self.end += now.len() as u64;
            items = later;
        }
    }

    /// The last page, with room for at least one item. A page that is alone grows until it is a
    /// whole one, and then whole ones follow.
    fn page_with_room(&mut self, pages: &mut Pages, items: usize) -> &mut Vec<T> {
        let before = self.held();
        let is_full = self.pages.back().is_none_or(|page| page.len() == N);
        if is_full {
            let room = if self.pages.is_empty() { fitting::<N>(items) } else { N };
            self.pages.push_back(Vec::with_capacity(room));
        }
        let last = self.pages.len() - 1;
        let page = &mut self.pages[last];
        if page.len() == page.capacity() {
            page.reserve_exact(fitting::<N>(page.len() + items) - page.len());
        }
        pages.take(self.held() - before);
        &mut self.pages[last]
    }

    /// Forgets the items before this position, and gives pages without items back to `pages`.
    pub fn forget_before(&mut self, pages: &mut Pages, position: u64) {
        debug_assert!(position <= self.end);
        let before = self.held();
        self.start = position.clamp(self.start, self.end);
        let unneeded = match self.start == self.end {
            true => self.pages.len(),
            false => self.page(self.start),
        };
        self.pages.drain(..unneeded);
        self.base =
            if self.pages.is_empty() { self.end } else { self.base + (unneeded * N) as u64 };
        if self.pages.len() < self.pages.capacity() / 4 {
            self.pages.shrink_to(PLACES_KEPT.max(2 * self.pages.len()));
        }
        pages.give_back(before - self.held());
    }

    /// Moves the items into a page that fits, if the pages are much larger than needed.
    pub fn shrink(&mut self, pages: &mut Pages) {
        let (before, items) = (self.held(), (self.end - self.start) as usize);
        let room = fitting::<N>(items);
        if items == 0 || items > N || before < WASTE_MAX * Self::page_bytes(room) {
            return;
        }
        let mut page = Vec::with_capacity(room);
        self.pieces(self.start, self.end).for_each(|piece| page.extend_from_slice(piece));
        self.pages.clear();
        self.pages.push_back(page);
        self.base = self.start;
        pages.give_back(before - self.held());
    }

    /// Which of the pages holds this position.
    fn page(&self, position: u64) -> usize {
        (position - self.base) as usize / N
    }

    fn offset(&self, position: u64) -> usize {
        (position - self.base) as usize % N
    }
}

/// Without the items, which may be many.
impl<T, const N: usize> fmt::Debug for Paged<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{} in {} pages", self.start, self.end, self.pages.len())
    }
}

/// The size of a page for this many items, at most that of a whole one.
fn fitting<const N: usize>(items: usize) -> usize {
    items.next_power_of_two().max(N / SMALLEST).min(N)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Small = Paged<u8, 64>;

    #[test]
    fn an_empty_queue_holds_no_page_wherever_it_stands() {
        let mut pages = Pages::new(1000);
        let mut queue = Small::starting_at(7);
        assert_eq!((queue.held(), pages.held(), queue.get(7)), (0, 0, None));
        assert_eq!(queue.pieces(7, 7).count(), 0);
        queue.append(&mut pages, b"a");
        assert_eq!((queue.held(), pages.held(), queue.get(7)), (66, 66, Some(&b'a')));
        queue.forget_before(&mut pages, 8);
        assert_eq!((queue.held(), pages.held(), queue.start(), queue.end()), (0, 0, 8, 8));
    }

    #[test]
    fn a_queue_that_was_long_keeps_no_places_for_its_pages() {
        let mut pages = Pages::new(1 << 20);
        let mut queue = Small::starting_at(0);
        queue.append(&mut pages, &[0; 64_000]);
        queue.forget_before(&mut pages, 63_999);
        assert!(queue.pages.capacity() <= 2 * PLACES_KEPT, "{}", queue.pages.capacity());
        assert_eq!(pages.held(), 64 + 64);
        queue.shrink(&mut pages);
        // This is not wasteful enough for a move.
        assert_eq!((pages.held(), queue.get(63_999)), (64 + 64, Some(&0)));
    }

    proptest! {
        #![proptest_config(crate::cases())]

        /// The plain model: every item ever appended, and how many are gone.
        #[test]
        fn a_queue_holds_what_was_appended_and_not_much_more(
            base in 0u64..200,
            steps in prop::collection::vec((0u8..5, 0usize..140), 0..60),
        ) {
            let mut pages = Pages::new(1 << 20);
            let mut queue = Small::starting_at(base);
            let (mut all, mut gone) = (Vec::<u8>::new(), 0);
            for (what, count) in steps {
                match what {
                    0..=2 => {
                        let items: Vec<u8> = (0..count).map(|at| (all.len() + at) as u8).collect();
                        let needed = pages.held() + queue.needs(count);
                        queue.append(&mut pages, &items);
                        prop_assert_eq!(pages.held(), needed);
                        all.extend(items);
                    }
                    3 => {
                        gone = (gone + count).min(all.len());
                        queue.forget_before(&mut pages, base + gone as u64);
                    }
                    _ => {
                        queue.shrink(&mut pages);
                        let items = all.len() - gone;
                        let room = items.next_power_of_two().max(2);
                        prop_assert!(items > 64 || queue.held() <= 4 * (room + 64));
                    }
                }
                let (start, end) = (base + gone as u64, base + all.len() as u64);
                prop_assert_eq!((queue.start(), queue.end()), (start, end));
                let pieces: Vec<&[u8]> = queue.pieces(start, end).collect();
                prop_assert_eq!(pieces.concat(), &all[gone..]);
                let item = |at: u64| *queue.get(at).unwrap();
                prop_assert!((start..end).all(|at| item(at) == all[(at - base) as usize]));
                prop_assert_eq!(pages.held(), queue.held());
                prop_assert!(queue.held() <= ((all.len() - gone).div_ceil(64) + 1) * 128);
                prop_assert!(start < end || queue.held() == 0);
            }
            queue.forget_before(&mut pages, queue.end());
            prop_assert_eq!(pages.held(), 0);
        }
    }
}
