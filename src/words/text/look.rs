//! What a character looks like on a terminal: one table, for messages and for names.
//!
//! It tells what terminals draw for a single character. It does not know what is done about that.
//!
//! A character that the font lacks is a box on most terminals and blank on some. That can happen in
//! every script, so it does not count here: unassigned and private characters are visible.

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// What a terminal draws for a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// A visible character.
    Visible,
    /// A mark on the character before it, without a column of its own: a nonspacing or enclosing
    /// combining mark. A spacing mark is as visible as a letter.
    Mark,
    /// Empty space, one or two columns wide.
    Blank,
    /// Nothing at all.
    Invisible,
    /// A character that controls the terminal or the text around it.
    Forbidden,
}

impl Look {
    /// How this character looks.
    ///
    /// Unicode's default ignorable characters are invisible, except those that are blank or
    /// forbidden here. So are the Khitan filler, the hieroglyph format controls and the
    /// noncharacters.
    pub fn of(character: char) -> Look {
        match character {
            ' ' => Look::Blank,
            // The most frequent characters, so they are checked first.
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
        // The object replacement character; the blanks of hieroglyphs; the null notehead.
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

/// Whether it is in a block of common letters and signs. Those blocks contain no mark and no blank,
/// so the slower table look-up is skipped.
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

/// Whether it is a noncharacter (Unicode 23.7): some terminals draw nothing for one.
fn is_noncharacter(character: char) -> bool {
    let ends_a_plane = u32::from(character) & 0xfffe == 0xfffe;
    ends_a_plane || matches!(character, '\u{fdd0}'..='\u{fdef}')
}
