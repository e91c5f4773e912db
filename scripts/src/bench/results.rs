//! The measurements, run by run.

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use super::load::{Load, Measured, Metric};
use super::peer::Peer;

/// All measurements.
#[derive(Debug, Default)]
pub struct Results {
    runs: BTreeMap<(Load, Peer), BTreeMap<Metric, Vec<f64>>>,
    failures: BTreeMap<(Load, Peer), String>,
}

impl Results {
    /// Adds the values of one run.
    pub fn add(&mut self, load: Load, peer: Peer, measured: Measured) {
        let of = self.runs.entry((load, peer)).or_default();
        for (metric, value) in measured {
            of.entry(metric).or_default().push(value);
        }
    }

    /// Adds the runs of an earlier comparison, as [`Results::to_json`] writes them. `None` if a
    /// load or server in it is unknown.
    pub fn add_json(&mut self, earlier: &Value) -> Option<()> {
        for one in earlier.as_array()? {
            let clients = one["clients"].as_u64()? as usize;
            let load = Load::named(one["load"].as_str()?, clients)?;
            let mut peers = Peer::value_variants().iter();
            let peer = peers.find(|peer| one["server"] == peer.name())?;
            for (key, runs) in one["runs"].as_object()? {
                let metric = Metric::from_str(key, false).ok()?;
                let of = self.runs.entry((load, *peer)).or_default().entry(metric).or_default();
                of.extend(runs.as_array()?.iter().filter_map(Value::as_f64));
            }
        }
        Some(())
    }

    /// The smallest and the largest number of runs of any load and server.
    pub fn counts(&self) -> (usize, usize) {
        let counts = || self.runs.values().flat_map(BTreeMap::values).map(Vec::len);
        (counts().min().unwrap_or(0), counts().max().unwrap_or(0))
    }

    /// Notes that a run failed.
    pub fn fail(&mut self, load: Load, peer: Peer, why: String) {
        self.failures.insert((load, peer), why);
    }

    /// Why a run failed.
    pub fn failure(&self, load: Load, peer: Peer) -> Option<&str> {
        self.failures.get(&(load, peer)).map(String::as_str)
    }

    /// The values of all runs, if there are any.
    pub fn runs(&self, load: Load, peer: Peer, metric: Metric) -> Option<&[f64]> {
        self.runs.get(&(load, peer))?.get(&metric).map(Vec::as_slice)
    }

    /// The least and the greatest value of the runs.
    pub fn range(&self, load: Load, peer: Peer, metric: Metric) -> Option<(f64, f64)> {
        let runs = self.runs(load, peer, metric)?;
        let least = runs.iter().copied().fold(f64::INFINITY, f64::min);
        Some((least, runs.iter().copied().fold(f64::NEG_INFINITY, f64::max)))
    }

    /// The runs as JSON: a list with an object for each load and server.
    pub fn to_json(&self) -> Value {
        let one = |((load, peer), metrics): (&(Load, Peer), &BTreeMap<Metric, Vec<f64>>)| {
            let metrics: Map<String, Value> = metrics
                .iter()
                .filter_map(|(metric, runs)| Some((metric.to_possible_value()?, runs)))
                .map(|(name, runs)| (name.get_name().to_owned(), json!(runs)))
                .collect();
            let (name, clients) = (load.name(), load.clients());
            json!({ "load": name, "clients": clients, "server": peer.name(), "runs": metrics })
        };
        self.runs.iter().map(one).collect()
    }
}
