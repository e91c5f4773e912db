//! What a character looks like on a terminal: one table, for what is said and for names.
//!
//! It says what terminals draw, by the character alone. It never knows what is done about that.
//!
//! A character that a font lacks is a box on most terminals and blank on some. That holds for every
//! script, so it says nothing here: unassigned and private characters are visible.

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// What a terminal makes of a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Something to see.
    Visible,
    /// Something on the character before it, without a column of its own: a nonspacing or enclosing
    /// combining mark. A spacing one is as visible as a letter.
    Mark,
    /// Room without anything in it, one or two columns of it.
    Blank,
    /// Nothing at all.
    Invisible,
    /// It acts on the terminal, or on the text around it.
    Forbidden,
}

impl Look {
    /// How this character looks.
    ///
    /// Invisible are Unicode's default ignorable characters, less those that are blank or
    /// forbidden, and with them the filler of Khitan, the format controls of hieroglyphs and the
    /// noncharacters.
    pub fn of(character: char) -> Look {
        match character {
            ' ' => Look::Blank,
            // Most of what is said here, and so asked first.
            '!'..='~' | '가'..='힣' => Look::Visible,
            _ => of_the_others(character),
        }
    }
}

fn of_the_others(character: char) -> Look {
    match character {
        '\t' => Look::Blank,
        // C0; DEL and C1.
        '\0'..='\x1f' | '\x7f'..='\u{9f}' => Look::Forbidden,
        // Separators, embeddings and overrides; isolates and deprecated format; annotation.
        '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}' => {
            Look::Forbidden
        }
        // Hangul fillers, the Mongolian vowel separator, the Braille pattern without dots.
        '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{180e}' | '\u{2800}' => Look::Blank,
        // What stands for an object; the blanks of hieroglyphs; the head of no note.
        '\u{fffc}' | '\u{13441}' | '\u{13442}' | '\u{1d159}' => Look::Blank,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{17b4}' | '\u{17b5}' | '\u{feff}' => Look::Invisible,
        '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2065}' => {
            Look::Invisible
        }
        '\u{fe00}'..='\u{fe0f}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' => {
            Look::Invisible
        }
        '\u{13430}'..='\u{1343f}' | '\u{16fe4}' | '\u{1d173}'..='\u{1d17a}' => Look::Invisible,
        '\u{e0000}'..='\u{e0fff}' => Look::Invisible,
        _ if is_usual(character) => Look::Visible,
        _ if character.is_whitespace() => Look::Blank,
        _ if is_noncharacter(character) => Look::Invisible,
        _ => match character.general_category() {
            GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark => Look::Mark,
            _ => Look::Visible,
        },
    }
}

/// Whether it stands among the letters and signs with which most is written. No mark and no blank
/// stands among them, so nothing is looked up, which takes longer.
fn is_usual(character: char) -> bool {
    matches!(character,
        // Latin, Greek, Cyrillic, Armenian; Hebrew, Arabic, Devanagari, Thai.
        '\u{a1}'..='\u{2ff}' | '\u{370}'..='\u{482}' | '\u{48a}'..='\u{590}'
        | '\u{5d0}'..='\u{5ff}' | '\u{61b}'..='\u{64a}' | '\u{66d}'..='\u{66f}'
        | '\u{671}'..='\u{6d5}' | '\u{904}'..='\u{939}' | '\u{e01}'..='\u{e30}'
        | '\u{e3f}'..='\u{e46}'
        // Jamo, more of Latin and Greek, punctuation and signs.
        | '\u{1100}'..='\u{11ff}' | '\u{1e00}'..='\u{1fff}' | '\u{2010}'..='\u{2027}'
        | '\u{2030}'..='\u{205e}' | '\u{2070}'..='\u{20cf}' | '\u{2100}'..='\u{2bff}'
        // Kana, jamo, Han, Yi; wide Latin; emoji.
        | '\u{3001}'..='\u{3029}' | '\u{3030}'..='\u{3098}' | '\u{309b}'..='\u{a66e}'
        | '\u{ff00}'..='\u{ffdf}' | '\u{1f000}'..='\u{1fffd}')
}

/// Whether Unicode will never make a character of it (23.7): some terminals draw nothing for one.
fn is_noncharacter(character: char) -> bool {
    let ends_a_plane = u32::from(character) & 0xfffe == 0xfffe;
    ends_a_plane || matches!(character, '\u{fdd0}'..='\u{fdef}')
}
