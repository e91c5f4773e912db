//! The measurements, run by run.

use std::collections::{BTreeMap, BTreeSet};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::load::{Load, Measured, Metric};
use super::peer::Peer;

/// What several runs have measured.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Runs(BTreeMap<Metric, Vec<f64>>);

impl Runs {
    /// Adds the values of one run.
    pub fn add(&mut self, measured: Measured) {
        for (metric, value) in measured {
            self.0.entry(metric).or_default().push(value);
        }
    }

    /// The least and the greatest value of the runs, if there is any.
    pub fn range(&self, metric: Metric) -> Option<(f64, f64)> {
        let runs = || self.0.get(&metric).into_iter().flatten().copied();
        Some((runs().reduce(f64::min)?, runs().reduce(f64::max)?))
    }

    /// The least value of the runs.
    pub fn least(&self, metric: Metric) -> f64 {
        self.range(metric).map_or(f64::NAN, |(least, _)| least)
    }

    /// The greatest.
    pub fn most(&self, metric: Metric) -> f64 {
        self.range(metric).map_or(f64::NAN, |(_, most)| most)
    }
}

/// A comparison, as its file has it.
#[derive(Debug, Deserialize, Serialize)]
pub struct Comparison {
    /// The machine, and the date.
    pub machine: String,
    /// What was measured.
    pub results: Vec<Entry>,
    /// How often, in words.
    pub runs: String,
    /// What the servers say that they are.
    pub versions: Vec<String>,
}

/// A load on a server.
#[derive(Debug, Deserialize, Serialize)]
pub struct Entry {
    clients: usize,
    load: String,
    runs: Runs,
    server: String,
}

/// All measurements.
#[derive(Debug, Default)]
pub struct Results {
    runs: BTreeMap<(Load, Peer), Runs>,
    /// What is not tried again.
    pub failed: BTreeSet<(Load, Peer)>,
}

impl Results {
    /// Adds the values of one run.
    pub fn add(&mut self, load: Load, peer: Peer, measured: Measured) {
        self.runs.entry((load, peer)).or_default().add(measured);
    }

    /// Adds the runs of an earlier comparison. `None` if a load or server in it is unknown.
    pub fn add_entries(&mut self, entries: Vec<Entry>) -> Option<()> {
        for Entry { clients, load, runs, server } in entries {
            let load = Load::named(&load, clients)?;
            let mut peers = Peer::value_variants().iter();
            let peer = peers.find(|peer| peer.name() == server)?;
            for (metric, values) in runs.0 {
                self.add(load, *peer, values.into_iter().map(|value| (metric, value)).collect());
            }
        }
        Some(())
    }

    /// All runs of each load and server.
    pub fn entries(&self) -> Vec<Entry> {
        let entry = |((load, peer), runs): (&(Load, Peer), &Runs)| Entry {
            clients: load.clients,
            load: load.name(),
            runs: runs.clone(),
            server: peer.name().to_owned(),
        };
        self.runs.iter().map(entry).collect()
    }

    /// The smallest and the largest number of runs of any load and server.
    pub fn counts(&self) -> (usize, usize) {
        let counts = || self.runs.values().flat_map(|runs| runs.0.values()).map(Vec::len);
        (counts().min().unwrap_or(0), counts().max().unwrap_or(0))
    }

    /// The least and the greatest value of the runs.
    pub fn range(&self, load: Load, peer: Peer, metric: Metric) -> Option<(f64, f64)> {
        self.runs.get(&(load, peer))?.range(metric)
    }
}
