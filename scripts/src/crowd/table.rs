//! The results, as a table for people and as JSON for programs.

use std::fmt::Write;

use serde_json::{Map, Value};

/// The results, row by row.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
struct Row {
    key: &'static str,
    label: String,
    /// A number, or why there is none.
    value: Result<f64, String>,
    unit: &'static str,
}

impl Table {
    /// Adds a row; `key` is its name in JSON.
    pub fn add(&mut self, key: &'static str, label: &str, value: f64, unit: &'static str) {
        self.add_if_known(key, label, Ok(value), unit);
    }

    /// The same for a value that may be lacking, and why. In JSON it is null then.
    pub fn add_if_known(
        &mut self,
        key: &'static str,
        label: &str,
        value: Result<f64, &str>,
        unit: &'static str,
    ) {
        let value = value.map_err(str::to_owned);
        self.rows.push(Row { key, label: label.to_owned(), value, unit });
    }

    /// The table for people.
    pub fn to_text(&self) -> String {
        let width = self.rows.iter().map(|row| row.label.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for Row { label, value, unit, .. } in &self.rows {
            let shown = match value {
                Ok(value) => format!("{value:14.*} {unit}", decimals(*value)),
                Err(why) => format!("not measured: {why}"),
            };
            // Writing to a string cannot fail.
            writeln!(text, "{label:width$}  {}", shown.trim_end()).unwrap_or_default();
        }
        text
    }

    /// The table for programs: one object.
    pub fn to_json(&self) -> Map<String, Value> {
        let field = |row: &Row| (row.key.to_owned(), number(row.value.clone().ok()));
        self.rows.iter().map(field).collect()
    }
}

/// How many decimals give a person three significant digits.
fn decimals(value: f64) -> usize {
    match value.abs() {
        _ if value.fract() == 0.0 => 0,
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 4,
    }
}

/// A count has no decimal point. Anything that is no number is null.
fn number(value: Option<f64>) -> Value {
    const WHOLE_MAX: f64 = (1_u64 << 53) as f64;
    match value {
        Some(value) if value.fract() == 0.0 && (0.0..WHOLE_MAX).contains(&value) => {
            Value::from(value as u64)
        }
        value => Value::from(value),
    }
}
