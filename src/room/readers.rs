//! The connections that read a room, in the order in which they came.
//!
//! A pass walks over them. A reader that leaves makes a hole, so no other reader moves during a
//! pass. Between passes the holes are closed, once they are as many as the readers. So holes make a
//! walk at most twice as long, and closing them costs each leave a step or two.

/// A place without a reader.
const HOLE: u32 = u32::MAX;

/// The keys of the connections that read a room.
#[derive(Debug, Default)]
pub struct Readers {
    keys: Vec<u32>,
    holes: usize,
}

impl Readers {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.keys.len() - self.holes
    }

    /// One past the last place, where a walk over all places ends.
    pub fn places(&self) -> usize {
        self.keys.len()
    }

    /// The key of the reader in this place, if it is still there.
    pub fn at(&self, place: usize) -> Option<usize> {
        let key = *self.keys.get(place)?;
        (key != HOLE).then_some(key as usize)
    }

    /// The keys of all, in their order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.keys.iter().filter(|key| **key != HOLE).map(|key| *key as usize)
    }

    /// Adds a reader behind all others, and returns its place.
    pub fn add(&mut self, key: usize) -> u32 {
        self.keys.push(key as u32);
        self.keys.len() as u32 - 1
    }

    /// Removes the reader in this place.
    pub fn remove(&mut self, place: u32) {
        debug_assert_ne!(self.keys[place as usize], HOLE);
        self.keys[place as usize] = HOLE;
        self.holes += 1;
        while self.keys.last() == Some(&HOLE) {
            self.keys.pop();
            self.holes -= 1;
        }
    }

    /// Closes the holes if they are many. `moved` gets each key with its new place. Do not call it
    /// during a pass.
    pub fn close_holes(&mut self, mut moved: impl FnMut(usize, u32)) {
        if 2 * self.holes <= self.keys.len() {
            return;
        }
        self.keys.retain(|key| *key != HOLE);
        self.keys.shrink_to(2 * self.keys.len());
        self.holes = 0;
        for (place, key) in self.keys.iter().enumerate() {
            moved(*key as usize, place as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_keep_their_order_when_holes_are_closed() {
        let mut readers = Readers::default();
        let places: Vec<u32> = (100..110).map(|key| readers.add(key)).collect();
        for place in [0, 2, 3, 5, 9] {
            readers.remove(places[place]);
        }
        assert_eq!((readers.count(), readers.places()), (5, 9));
        readers.close_holes(|_, _| panic!("there are few holes"));
        readers.remove(places[8]);
        let mut moved = Vec::new();
        readers.close_holes(|key, place| moved.push((key, place)));
        assert_eq!(moved, []);
        readers.remove(places[1]);
        readers.close_holes(|key, place| moved.push((key, place)));
        assert_eq!(moved, [(104, 0), (106, 1), (107, 2)]);
        assert_eq!(readers.iter().collect::<Vec<_>>(), [104, 106, 107]);
        assert_eq!((readers.at(0), readers.at(3)), (Some(104), None));
    }
}
