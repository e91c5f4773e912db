//! The results, as a table for people and as JSON for programs.

use serde_json::Value;

/// Every label is at most this long.
const LABEL_WIDTH: usize = 49;

/// The results.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// For people: row by row.
    pub text: String,
    /// For programs: one object.
    pub json: Value,
}

impl Table {
    /// Adds a row; `key` is its name in JSON. Instead of a number, the value may be why there is
    /// none, or nothing. In JSON both are null.
    pub fn add(&mut self, key: &str, label: &str, value: impl Into<Value>, unit: &str) {
        debug_assert!(label.chars().count() <= LABEL_WIDTH, "{label}");
        let value = value.into();
        let number = value.as_f64();
        let shown = match number {
            Some(number) => format!("{number:14.*} {unit}", decimals(number)),
            None => format!("not measured: {}", value.as_str().unwrap_or("too little happened")),
        };
        self.text += &format!("{label:LABEL_WIDTH$}  {}\n", shown.trim_end());
        self.json[key] = if number.is_some() { value } else { Value::Null };
    }
}

/// How many decimals give a person three significant digits.
fn decimals(value: f64) -> usize {
    match value.abs() {
        size if size >= 100.0 || size.fract() == 0.0 => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_missing_is_null_and_says_why() {
        let mut table = Table::default();
        table.add("count", "a count", 1_000_000, "");
        table.add("rate", "a rate", 12.345, "/s");
        table.add("unknown", "not known", "no process", "us");
        table.add("none", "none", None::<f64>, "us");
        table.add("no_number", "no number", f64::NAN, "us");
        let rows: Vec<_> = table.text.lines().map(|row| &row[LABEL_WIDTH..]).collect();
        assert_eq!(rows[0].trim_start(), "1000000");
        assert_eq!(rows[1].trim_start(), "12.3 /s");
        assert_eq!(rows[2], "  not measured: no process");
        assert_eq!(rows[3..], ["  not measured: too little happened"; 2]);
        let json = r#"{"count":1000000,"no_number":null,"none":null,"rate":12.345,"unknown":null}"#;
        assert_eq!(table.json.to_string(), json);
    }
}
