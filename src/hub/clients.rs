//! The table of all connections, and which of them are in a conversation.
//!
//! [`Clients::get`] is for a client that may be gone by now, indexing for one that must be there:
//! if it is not, the fault is ours.
//!
//! A key is a place in the table, and the next client takes it over. A serial is never used twice.
//! An id has both: the key finds the client without a search, and the serial tells whether it is
//! still the one that was meant. Where only the serial is known, as of the author of a line,
//! `members` finds the key.

use std::collections::BTreeMap;
use std::ops::{Index, IndexMut};

use slab::Slab;

use super::client::Client;
use crate::room::ClientId;
use crate::room::transcript::SERVER;

/// All connections, each with its id.
#[derive(Debug)]
pub struct Clients<S> {
    slab: Slab<Client<S>>,
    /// Where in the table those are that have been welcomed and have not left, by their serials.
    members: BTreeMap<u64, u32>,
    last_serial: u64,
}

impl<S> Default for Clients<S> {
    fn default() -> Self {
        Clients { slab: Slab::new(), members: BTreeMap::new(), last_serial: SERVER }
    }
}

impl<S> Clients<S> {
    /// How many connections there are.
    pub fn count(&self) -> usize {
        self.slab.len()
    }

    /// A serial that no client has had.
    pub fn next_serial(&mut self) -> u64 {
        self.last_serial += 1;
        self.last_serial
    }

    /// The key of the next connection.
    pub fn next_key(&self) -> usize {
        self.slab.vacant_key()
    }

    /// Adds a connection with this serial.
    pub fn insert(&mut self, client: Client<S>) -> ClientId {
        let serial = client.record.serial;
        let key = self.slab.insert(client);
        ClientId { serial, key }
    }

    /// Takes out a connection that must be there.
    pub fn remove(&mut self, id: ClientId) -> Client<S> {
        let client = self.slab.remove(id.key);
        // Not only in debug builds: to close the connection of another client would be worse than
        // to stop.
        assert_eq!(client.record.serial, id.serial);
        client
    }

    /// The connection that has this key now.
    pub fn at(&self, key: usize) -> Option<ClientId> {
        self.slab.get(key).map(|client| ClientId { serial: client.record.serial, key })
    }

    /// A connection that may be gone by now.
    pub fn get(&mut self, id: ClientId) -> Option<&mut Client<S>> {
        self.slab.get_mut(id.key).filter(|client| client.record.serial == id.serial)
    }

    /// The one with this key stands in this place among the readers of its room.
    pub fn set_place(&mut self, key: usize, place: u32) {
        self.slab[key].record.place = place;
    }

    /// One is welcomed.
    pub fn join(&mut self, id: ClientId) {
        self.members.insert(id.serial, id.key as u32);
    }

    /// One that was welcomed has left.
    pub fn leave(&mut self, id: ClientId) {
        self.members.remove(&id.serial);
    }

    /// How many have been welcomed and have not left.
    pub fn here(&self) -> usize {
        self.members.len()
    }

    /// The one with this serial, if it was welcomed and has not left.
    pub fn member(&self, serial: u64) -> Option<ClientId> {
        self.members.get(&serial).map(|key| ClientId { serial, key: *key as usize })
    }

    /// The ids of those that are `wanted`.
    pub fn ids(&self, wanted: impl Fn(&Client<S>) -> bool) -> Vec<ClientId> {
        let wanted = self.slab.iter().filter(|(_, client)| wanted(client));
        wanted.map(|(key, client)| ClientId { serial: client.record.serial, key }).collect()
    }
}

impl<S> Index<ClientId> for Clients<S> {
    type Output = Client<S>;

    fn index(&self, id: ClientId) -> &Client<S> {
        let client = &self.slab[id.key];
        debug_assert_eq!(client.record.serial, id.serial);
        client
    }
}

impl<S> IndexMut<ClientId> for Clients<S> {
    fn index_mut(&mut self, id: ClientId) -> &mut Client<S> {
        let client = &mut self.slab[id.key];
        debug_assert_eq!(client.record.serial, id.serial);
        client
    }
}
