//! What a character looks like on a terminal: one table, for what is said and for names.
//!
//! It says what terminals draw, by the character alone. It never knows what is done about that.
//!
//! A character that a font lacks is a box on most terminals and blank on some. That holds for every
//! script, so it says nothing here: unassigned and private characters are visible.

/// What a terminal makes of a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Something to see.
    Visible,
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
            ' ' | '\t' => Look::Blank,
            // Most of what is said here, and so asked first.
            '!'..='~' | '가'..='힣' => Look::Visible,
            // C0; DEL and C1.
            '\0'..='\x1f' | '\x7f'..='\u{9f}' => Look::Forbidden,
            // Separators, embeddings and overrides; isolates and deprecated format; annotation.
            '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}' => {
                Look::Forbidden
            }
            // Hangul fillers, the Mongolian vowel separator, the Braille pattern without dots.
            '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{180e}' | '\u{2800}' => {
                Look::Blank
            }
            // What stands for an object; the blanks of hieroglyphs; the head of no note.
            '\u{fffc}' | '\u{13441}' | '\u{13442}' | '\u{1d159}' => Look::Blank,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{17b4}' | '\u{17b5}' | '\u{feff}' => {
                Look::Invisible
            }
            '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2065}' => {
                Look::Invisible
            }
            '\u{fe00}'..='\u{fe0f}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' => {
                Look::Invisible
            }
            '\u{13430}'..='\u{1343f}' | '\u{16fe4}' | '\u{1d173}'..='\u{1d17a}' => Look::Invisible,
            '\u{e0000}'..='\u{e0fff}' => Look::Invisible,
            _ if character.is_whitespace() => Look::Blank,
            _ if is_noncharacter(character) => Look::Invisible,
            _ => Look::Visible,
        }
    }
}

/// Whether Unicode will never make a character of it (23.7): some terminals draw nothing for one.
fn is_noncharacter(character: char) -> bool {
    let ends_a_plane = u32::from(character) & 0xfffe == 0xfffe;
    ends_a_plane || matches!(character, '\u{fdd0}'..='\u{fdef}')
}
