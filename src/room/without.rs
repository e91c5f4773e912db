//! The authors whose lines a reader leaves out: those it ignores, or itself if it wants no echo.
//!
//! An author that has left makes room for another, but only behind its last line: its lines may
//! still be on their way to this reader. So it is kept, with the position behind which it has no
//! line. No verb here looks at more than the list, which is short.
//!
//! This file never knows the text of a line, or which clients are connected.

/// How many authors that are still here a reader can leave out: each is compared for every line. As
/// many again may have left.
pub const IGNORED_MAX: usize = 50;

/// A short list of authors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Without {
    authors: Vec<Author>,
    /// All are left out, and the notices too.
    all: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Author {
    serial: u64,
    /// It has left, and has no line from this position on.
    until: Option<u64>,
}

/// No more authors can be left out.
#[derive(Debug, PartialEq, Eq)]
pub struct TooMany;

impl Without {
    /// Leaves out this author alone.
    pub fn only(serial: u64) -> Without {
        let mut without = Without::default();
        without.add(serial);
        without
    }

    /// Whether no author is left out.
    pub fn is_empty(&self) -> bool {
        self.authors.is_empty() && !self.all
    }

    /// Whether the lines of this author are left out.
    pub fn contains(&self, serial: u64) -> bool {
        self.all || self.ignores(serial)
    }

    /// Whether this author is in the list, so that its private messages are left out too.
    pub fn ignores(&self, serial: u64) -> bool {
        self.authors.iter().any(|author| author.serial == serial)
    }

    /// Leaves out all that is said and told to all.
    pub fn add_all(&mut self) {
        self.all = true;
    }

    /// Whether all is left out.
    pub fn has_all(&self) -> bool {
        self.all
    }

    /// The authors, including those that have left.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.authors.iter().map(|author| author.serial)
    }

    /// Leaves out this author too, whatever the bound.
    pub fn add(&mut self, serial: u64) {
        if !self.ignores(serial) {
            self.authors.push(Author { serial, until: None });
        }
    }

    /// No longer leaves this author out.
    pub fn remove(&mut self, serial: u64) {
        self.authors.retain(|author| author.serial != serial);
    }

    /// The reader goes to another room, in which those that have gone have said nothing from `end`
    /// on.
    pub fn go_to_room(&mut self, end: u64) {
        self.authors.iter_mut().for_each(|author| author.until = author.until.and(Some(end)));
    }

    /// Leaves out this author too, for a reader at `position`; `own` is the reader's serial, which
    /// does not count.
    ///
    /// An author that no longer `is_here` has no line from `end` on.
    pub fn ignore(
        &mut self,
        serial: u64,
        own: u64,
        position: u64,
        end: u64,
        mut is_here: impl FnMut(u64) -> bool,
    ) -> Result<(), TooMany> {
        self.remove(serial);
        for author in &mut self.authors {
            if author.until.is_none() && !is_here(author.serial) {
                author.until = Some(end);
            }
        }
        self.authors.retain(|author| author.until.is_none_or(|until| position < until));
        let others = self.authors.iter().filter(|author| author.serial != own);
        let here = others.clone().filter(|author| author.until.is_none()).count();
        if here >= IGNORED_MAX || others.count() >= 2 * IGNORED_MAX {
            return Err(TooMany);
        }
        self.add(serial);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: u64 = 1000;

    /// Ignores one more while all are here but those in `gone`, at this position of `end`.
    fn ignore(without: &mut Without, serial: u64, gone: &[u64], at: (u64, u64)) -> bool {
        let mut asked = 0;
        let is_here = |serial| {
            asked += 1;
            !gone.contains(&serial)
        };
        let done = without.ignore(serial, OWN, at.0, at.1, is_here).is_ok();
        assert!(asked <= 2 * IGNORED_MAX + 1, "{asked} authors were looked at");
        done
    }

    #[test]
    fn an_author_that_has_gone_makes_room_behind_its_last_line() {
        let mut without = Without::only(OWN);
        assert!((1..=50).all(|serial| ignore(&mut without, serial, &[], (0, 0))));
        assert!(!ignore(&mut without, 51, &[], (0, 0)));
        assert!(ignore(&mut without, 50, &[], (0, 0)));
        // One that has gone is still left out, for a reader that is not past it.
        assert!(ignore(&mut without, 51, &[1], (10, 20)));
        assert!(without.contains(1) && without.contains(51));
        assert!(ignore(&mut without, 52, &[1, 2], (20, 20)));
        assert!(!without.contains(1) && !without.contains(2) && without.contains(OWN));
    }

    #[test]
    fn those_that_have_gone_have_a_bound_too() {
        let mut without = Without::default();
        let gone: Vec<u64> = (0..100).collect();
        assert!((0..100).all(|serial| ignore(&mut without, serial, &gone, (0, 9))));
        assert!(!ignore(&mut without, 100, &gone, (0, 9)));
        assert!(ignore(&mut without, 100, &gone, (9, 9)));
    }
}
