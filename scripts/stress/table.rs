//! How results are shown: as a table to people, as JSON to programs.

use std::fmt::Write;

/// What was measured, row by row.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
struct Row {
    key: &'static str,
    label: String,
    value: f64,
    decimals: usize,
    unit: &'static str,
}

impl Table {
    /// Adds a row; `key` is its name in JSON.
    pub fn add(&mut self, key: &'static str, label: &str, value: f64, unit: &'static str) {
        // Three digits that mean something are enough for people.
        let decimals = match value.abs() {
            _ if value.fract() == 0.0 => 0,
            100.0.. => 0,
            10.0.. => 1,
            _ => 2,
        };
        self.rows.push(Row { key, label: label.to_owned(), value, decimals, unit });
    }

    /// For people.
    pub fn to_text(&self) -> String {
        let width = self.rows.iter().map(|row| row.label.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for Row { label, value, decimals, unit, .. } in &self.rows {
            // Writing to a string cannot fail.
            writeln!(text, "{label:width$}  {value:14.decimals$} {unit}").unwrap_or_default();
        }
        text
    }

    /// For programs: one object.
    pub fn to_json(&self) -> String {
        let fields = self.rows.iter().map(|row| {
            let value = if row.value.is_finite() { row.value.to_string() } else { "null".into() };
            format!("\"{}\":{value}", row.key)
        });
        format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
    }
}
