//! A QR code for a terminal: a person points the camera of a phone at it.
//!
//! A character cell is twice as high as it is wide, so each shows two modules, one above the other.
//! The colours are set, since a scanner wants the dark modules dark, whatever the terminal's theme
//! is. Where they are ignored, the code is right on a dark background.

use qrcodegen::{QrCode, QrCodeEcc};

/// How many light modules surround it. The standard asks for 4. On a screen 2 are enough, and the
/// address of two listeners fits 24 rows.
const MARGIN: i32 = 2;

/// White on black, of the fixed part of the 256 colours.
const COLOURS: &str = "\x1b[38;5;231;48;5;16m";
const NO_COLOURS: &str = "\x1b[0m";

/// A QR code.
pub struct Code(QrCode);

impl Code {
    /// That of this text; `None` if it is too long for any.
    pub fn of(text: &str) -> Option<Code> {
        QrCode::encode_text(text, QrCodeEcc::Low).ok().map(Code)
    }

    /// How many columns it takes.
    pub fn columns(&self) -> usize {
        (self.0.size() + 2 * MARGIN) as usize
    }

    /// How many rows it takes.
    pub fn rows(&self) -> usize {
        self.columns().div_ceil(2)
    }

    /// Its rows, without line ends.
    pub fn lines(&self) -> Vec<String> {
        let end = self.0.size() + MARGIN;
        let is_light = |x, y| y < end && !self.0.get_module(x, y);
        let cell = |x, y| match (is_light(x, y), is_light(x, y + 1)) {
            (true, true) => '\u{2588}',
            (true, false) => '\u{2580}',
            (false, true) => '\u{2584}',
            (false, false) => ' ',
        };
        let row = |y| (-MARGIN..end).map(|x| cell(x, y)).collect::<String>();
        let rows = (-MARGIN..end).step_by(2).map(row);
        rows.map(|row| format!("{COLOURS}{row}{NO_COLOURS}")).collect()
    }
}
