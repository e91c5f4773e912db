//! The table of all connections.
//!
//! [`Clients::get`] is for a client that may be gone by now, indexing for one that must be there:
//! if it is not, the fault is ours.

use std::ops::{Index, IndexMut};

use slab::Slab;

use super::client::Client;
use crate::room::ClientId;

/// All connections, each with its id.
#[derive(Debug)]
pub struct Clients<S> {
    slab: Slab<Client<S>>,
    /// No key is as large as this.
    keys_end: usize,
}

impl<S> Default for Clients<S> {
    fn default() -> Self {
        Clients { slab: Slab::new(), keys_end: 0 }
    }
}

impl<S> Clients<S> {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.slab.len()
    }

    /// One past the largest key in use: a walk over all keys ends here.
    pub fn keys_end(&self) -> usize {
        self.keys_end
    }

    /// The key that the next one will have.
    pub fn next_key(&self) -> usize {
        self.slab.vacant_key()
    }

    /// Adds a connection with this serial.
    pub fn insert(&mut self, client: Client<S>) -> ClientId {
        let serial = client.record.serial;
        let key = self.slab.insert(client);
        self.keys_end = self.keys_end.max(key + 1);
        ClientId { serial, key }
    }

    /// Takes out one that must be there.
    pub fn remove(&mut self, id: ClientId) -> Client<S> {
        let client = self.slab.remove(id.key);
        assert_eq!(client.record.serial, id.serial);
        while self.keys_end > 0 && !self.slab.contains(self.keys_end - 1) {
            self.keys_end -= 1;
        }
        client
    }

    /// The one that has this key now.
    pub fn at(&self, key: usize) -> Option<ClientId> {
        self.slab.get(key).map(|client| ClientId { serial: client.record.serial, key })
    }

    /// One that may be gone by now.
    pub fn get(&mut self, id: ClientId) -> Option<&mut Client<S>> {
        self.slab.get_mut(id.key).filter(|client| client.record.serial == id.serial)
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
