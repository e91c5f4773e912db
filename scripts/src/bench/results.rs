//! The measurements, run by run.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::load::{Load, Measured, Metric};
use super::peer::Peer;

/// What several runs have measured.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Runs(BTreeMap<Metric, Vec<f64>>);

/// A load on a server.
#[derive(Debug, Deserialize, Serialize)]
pub struct Entry {
    #[serde(flatten)]
    load: Load,
    server: Peer,
    runs: Runs,
}

/// A comparison, as its file has it.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Results {
    /// The machine, and the date.
    pub machine: String,
    /// What the servers say that they are.
    pub versions: Vec<String>,
    /// What was measured.
    pub results: Vec<Entry>,
    /// What is not tried again.
    #[serde(skip)]
    pub failed: BTreeSet<(Load, Peer)>,
}

impl Results {
    /// Adds the values of one run.
    pub fn add(&mut self, load: Load, server: Peer, measured: Measured) {
        let measured = measured.into_iter().map(|(metric, value)| (metric, vec![value]));
        self.add_runs(load, server, Runs(measured.collect()));
    }

    /// Adds the runs of an earlier comparison.
    pub fn add_all(&mut self, earlier: Results) {
        for Entry { load, server, runs } in earlier.results {
            self.add_runs(load, server, runs);
        }
    }

    fn add_runs(&mut self, load: Load, server: Peer, runs: Runs) {
        match self.results.binary_search_by_key(&(load, server), |one| (one.load, one.server)) {
            Ok(at) => {
                for (metric, values) in runs.0 {
                    self.results[at].runs.0.entry(metric).or_default().extend(values);
                }
            }
            Err(at) => self.results.insert(at, Entry { load, server, runs }),
        }
    }

    /// The smallest and the largest number of runs of any load and server.
    pub fn counts(&self) -> (usize, usize) {
        let counts = || self.results.iter().flat_map(|one| one.runs.0.values()).map(Vec::len);
        (counts().min().unwrap_or(0), counts().max().unwrap_or(0))
    }

    /// The least and the greatest value of the runs, if there is any.
    pub fn range(&self, load: Load, server: Peer, metric: Metric) -> Option<(f64, f64)> {
        let is_it = |one: &&Entry| (one.load, one.server) == (load, server);
        let values = &self.results.iter().find(is_it)?.runs.0.get(&metric)?[..];
        let values = || values.iter().copied();
        Some((values().reduce(f64::min)?, values().reduce(f64::max)?))
    }
}
