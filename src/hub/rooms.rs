//! The table of rooms, and their names.
//!
//! The lobby is always there. Any other room exists while something names it: a client in it or on
//! its way to it, or a line that waits to be appended in it. Names of rooms follow the rules of the
//! names of clients.
//!
//! The id of a room that is removed is given to the next room. That is safe, because whatever holds
//! an id keeps its room open, or holds that of a room that the server has made. Such a room is
//! never removed.
//!
//! Names are not freed with a delay, as those of clients are. A room that is left is empty, so
//! nobody can be taken for another by its name.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::{Index, IndexMut};
use std::time::Instant;

use slab::Slab;

use crate::config::Config;
use crate::room::earlier::Earlier;
use crate::room::pages::Pages;
use crate::room::presence::Presence;
use crate::room::{LOBBY, Room, RoomId};
use crate::words::names::{Claimant, Name, Names, Refusal, folded};

/// The name of the room in which new clients begin.
pub const LOBBY_NAME: &str = "lobby";

/// All rooms, each with its name.
#[derive(Debug)]
pub struct Rooms {
    /// From when on the seconds of lines count.
    start: Instant,
    slab: Slab<Room>,
    /// In this table, the serial of a room is its key plus 1, because 0 is the server.
    names: Names,
    /// The room in which clients wait that owe a password, once there was one.
    door: Option<RoomId>,
    /// What was kept of rooms that are not there yet, by their folded names.
    kept: BTreeMap<String, KeptRoom>,
    /// What the numbers of a room begin at that is made at this moment.
    numbers_from: (u64, Instant),
}

/// What is kept of a room over a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptRoom {
    /// Its name, as it is shown.
    name: String,
    /// Its topic.
    topic: Option<String>,
    /// Its password.
    pub password: Option<String>,
    /// What was said there last.
    earlier: Earlier,
}

impl KeptRoom {
    fn of(name: String, room: &Room) -> KeptRoom {
        KeptRoom {
            name,
            topic: room.topic.as_deref().map(str::to_owned),
            password: room.password().map(str::to_owned),
            earlier: Earlier::default(),
        }
    }

    fn to_text(&self) -> String {
        let name = &self.name;
        let line = |what: &str, value: &Option<String>| match value {
            Some(value) => format!("{name} {what} {value}\n"),
            None => String::new(),
        };
        line("topic", &self.topic) + &line("password", &self.password)
    }
}

impl Rooms {
    /// A table with the lobby alone.
    pub fn new(config: &Config, pages: &mut Pages, now: Instant) -> Rooms {
        let mut rooms = Rooms {
            start: now,
            slab: Slab::new(),
            names: Names::default(),
            door: None,
            kept: BTreeMap::new(),
            numbers_from: (0, now),
        };
        if let Ok(name) = Name::parse(LOBBY_NAME) {
            let lobby = rooms.open(name, None, config, pages, now);
            debug_assert_eq!(lobby, Ok(LOBBY));
        }
        // The console reads the lobby like a client, and its form must be there before the first
        // line.
        rooms[LOBBY].forms.join(config.log_form());
        rooms
    }

    /// From when on the seconds of lines count.
    pub fn start(&self) -> Instant {
        self.start
    }

    /// How many there are, without the door.
    pub fn count(&self) -> usize {
        self.slab.len() - usize::from(self.door.is_some())
    }

    /// The name of a room.
    pub fn name(&self, id: RoomId) -> String {
        self.names.of(serial(id)).to_string()
    }

    /// The room that has this name, in any case.
    pub fn find(&self, name: &str) -> Option<RoomId> {
        let key = self.names.find(name)?.checked_sub(1)?;
        let room = self.slab.get(key as usize)?;
        // The door has a name, like any room, but no client may go there or learn that it exists.
        (!room.is_door).then_some(RoomId(key as u32))
    }

    /// Makes a room, for a client of this network or for the server. On `Err` its name looks like
    /// that of another room, or is the same.
    pub fn open(
        &mut self,
        name: Name,
        maker: Option<IpAddr>,
        config: &Config,
        pages: &mut Pages,
        now: Instant,
    ) -> Result<RoomId, Refusal> {
        let id = RoomId(self.slab.vacant_key() as u32);
        let network = maker.unwrap_or(IpAddr::from([0; 4]));
        // The name first: if it is refused, there is no room to take back.
        self.names.take(Claimant { serial: serial(id), network }, name, now)?;
        let presence = Presence::new(config.notice_pace(), config.summary);
        self.slab.insert(Room::new(maker, (config.window, config.recover), presence));
        // Before any client is in it: a room with a kept password must never be open for a moment.
        self.restore(id, pages, now);
        Ok(id)
    }

    /// Gives a room what was kept of it: its last lines only if nothing was said there yet.
    ///
    /// The numbers of its lines begin at the microseconds since the start. So they are larger than
    /// those of any earlier room of the same name, and nothing has to be kept for that.
    fn restore(&mut self, id: RoomId, pages: &mut Pages, now: Instant) {
        let kept = self.kept.remove(&folded(&self.name(id)));
        let (from, at) = self.numbers_from;
        let since = now.saturating_duration_since(at).as_micros() as u64;
        let number = from.saturating_add(since);
        let room = &mut self[id];
        // Else its lines have their numbers already.
        if room.forms.plain().head() == 0 {
            match &kept {
                Some(kept) if kept.earlier.is_known() => {
                    room.begin_with(&kept.earlier, number, pages);
                }
                _ => {
                    room.forms.begin_at(number);
                    room.begins_at = number;
                }
            }
        }
        let Some(kept) = kept else { return };
        room.topic = kept.topic.map(String::into_boxed_str);
        room.change_rules(|rules| rules.password = kept.password.map(String::into_boxed_str));
    }

    /// What was kept of a room of this name that is not there yet.
    pub fn kept(&self, name: &str) -> Option<&KeptRoom> {
        self.kept.get(&folded(name))
    }

    /// Topics and passwords, as they are kept: a line each, `ROOM topic TEXT` or `ROOM password
    /// SECRET`.
    pub fn to_text(&self) -> String {
        let of = |(key, room)| KeptRoom::of(self.name(RoomId(key as u32)), room);
        let rooms = self.slab.iter().filter(|(_, room)| !room.is_door).map(of);
        let kept = self.kept.values().map(KeptRoom::to_text);
        rooms.map(|room| room.to_text()).chain(kept).collect()
    }

    /// Takes in what was kept. A room that is not there gets it when it is made. Returns how many
    /// lines are none.
    pub fn take_text(&mut self, text: &str, pages: &mut Pages) -> usize {
        let mut wrong = 0;
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let mut words = line.splitn(3, ' ');
            let parts = (words.next(), words.next(), words.next());
            let (Some(name), Some(what), Some(value)) = parts else {
                wrong += 1;
                continue;
            };
            let kept = self.kept.entry(folded(name)).or_default();
            name.clone_into(&mut kept.name);
            match what {
                "topic" => kept.topic = Some(value.to_owned()),
                "password" => kept.password = Some(value.to_owned()),
                _ => wrong += 1,
            }
        }
        // Some rooms are there already, the lobby at least.
        for id in self.ids() {
            self.restore(id, pages, self.start);
        }
        wrong
    }

    /// What is remembered of a room that is not there yet.
    pub fn earlier(&mut self, name: &str) -> &mut Earlier {
        let kept = self.kept.entry(folded(name)).or_default();
        name.clone_into(&mut kept.name);
        &mut kept.earlier
    }

    /// No number behind those that are remembered is known to be new.
    pub fn doubt_numbers(&mut self) {
        self.kept.values_mut().for_each(|kept| kept.earlier.doubt());
    }

    /// The numbers of a room that is made now begin here, and of a later one so many microseconds
    /// higher.
    pub fn number_by_time(&mut self, number: u64, now: Instant) {
        self.numbers_from = (number, now);
    }

    /// Counts the seconds of all lines from this moment on, which may be before the server started:
    /// so earlier lines have a time as well.
    pub fn count_seconds_from(&mut self, start: Instant) {
        self.start = start;
    }

    /// The room in which clients wait that owe a password. Its name is reserved, so no client can
    /// go there by itself.
    pub fn door(&mut self, config: &Config, pages: &mut Pages, now: Instant) -> RoomId {
        if let Some(door) = self.door {
            return door;
        }
        let door = self.open(Name::door(), None, config, pages, now).unwrap_or(LOBBY);
        debug_assert_ne!(door, LOBBY);
        self[door].is_door = true;
        self.door = Some(door);
        door
    }

    /// Whether there is a room with this id.
    pub fn has(&self, id: RoomId) -> bool {
        self.slab.contains(id.0 as usize)
    }

    /// Removes a room that nothing names.
    pub fn close(&mut self, id: RoomId) {
        debug_assert!(id != LOBBY && self[id].is_empty());
        self.slab.remove(id.0 as usize);
        self.names.remove(serial(id));
    }

    /// The room whose windows hold the most bytes.
    ///
    /// It looks at all rooms, which may be thousands. But it is asked only when the pages are used
    /// up, and then at most once for each room that wants to append.
    pub fn most_held(&self) -> Option<RoomId> {
        let rooms = self.slab.iter().max_by_key(|(_, room)| room.forms.held());
        rooms.map(|(key, _)| RoomId(key as u32))
    }

    /// Whether no line waits in any room.
    ///
    /// This walk is made in the turns of a stop, or of the start of a server in a cluster.
    pub fn are_silent(&self) -> bool {
        self.slab.iter().all(|(_, room)| room.submissions.is_empty())
    }

    /// How many of the present rooms clients of this network have made.
    pub fn made_by(&self, network: IpAddr) -> usize {
        self.slab.iter().filter(|(_, room)| room.maker() == Some(network)).count()
    }

    /// The ids of all rooms.
    pub fn ids(&self) -> Vec<RoomId> {
        self.slab.iter().map(|(key, _)| RoomId(key as u32)).collect()
    }

    /// The rooms with the most clients, and how many each has: at most `rooms_max`, the largest
    /// first.
    ///
    /// Selecting first and sorting the few is linear in the number of rooms.
    pub fn largest(&self, rooms_max: usize) -> Vec<(RoomId, usize)> {
        let rooms = self.slab.iter().filter(|(_, room)| !room.is_door);
        let mut rooms: Vec<(RoomId, usize)> =
            rooms.map(|(key, room)| (RoomId(key as u32), room.everyone())).collect();
        let order = |(id, here): &(RoomId, usize)| (usize::MAX - here, *id);
        if rooms.len() > rooms_max {
            rooms.select_nth_unstable_by_key(rooms_max, order);
            rooms.truncate(rooms_max);
        }
        rooms.sort_unstable_by_key(order);
        rooms
    }
}

fn serial(id: RoomId) -> u64 {
    u64::from(id.0) + 1
}

impl Index<RoomId> for Rooms {
    type Output = Room;

    fn index(&self, id: RoomId) -> &Room {
        &self.slab[id.0 as usize]
    }
}

impl IndexMut<RoomId> for Rooms {
    fn index_mut(&mut self, id: RoomId) -> &mut Room {
        &mut self.slab[id.0 as usize]
    }
}
