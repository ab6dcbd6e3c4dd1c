//! One command line as a POSIX shell (and bash, for `$'…'`) splits it into words. What a shell would fill in or
//! run is refused: nobody knows its value here. The crates that split words know neither `$'…'` nor that.

use std::iter::Peekable;
use std::str::Chars;

/// Why a text is no single command with all its words in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShellError {
    /// A quote without its end.
    #[error("a `{0}` is never closed")]
    Open(char),
    /// Something that the shell would fill in.
    #[error("`{0}` is filled in by a shell: write its value, or quote it with '…'")]
    Filled(String),
    /// Something that ends the command or leads elsewhere.
    #[error("`{0}` is not part of one command: quote it, or leave it out")]
    Control(char),
    /// An escape in `$'…'` that bash does not know, or that is no character.
    #[error("`\\{0}` is no escape of `$'…'`")]
    Escape(String),
}

/// The words of a command line, as bytes: `$'\xff'` is no text.
pub(super) fn words(line: &str) -> Result<Vec<Vec<u8>>, ShellError> {
    let mut lexer = Lexer { rest: line.chars().peekable(), words: Vec::new(), word: None };
    while let Some(letter) = lexer.rest.next() {
        lexer.take(letter)?;
    }
    lexer.end();
    Ok(lexer.words)
}

struct Lexer<'a> {
    rest: Peekable<Chars<'a>>,
    words: Vec<Vec<u8>>,
    /// The word that is being read; an empty one was quoted.
    word: Option<Vec<u8>>,
}

impl Lexer<'_> {
    fn take(&mut self, letter: char) -> Result<(), ShellError> {
        match letter {
            letter if letter.is_whitespace() => self.end(),
            '\'' => self.single()?,
            '"' => self.double()?,
            '\\' => match self.rest.next() {
                Some('\n') | None => {}
                // Windows line ends are pasted, too.
                Some('\r') => drop(self.rest.next_if_eq(&'\n')),
                Some(letter) => self.push(letter),
            },
            '$' if self.rest.next_if_eq(&'\'').is_some() => self.ansi()?,
            // bash translates `$"…"`, and without a translation leaves it as it is.
            '$' if self.rest.next_if_eq(&'"').is_some() => self.double()?,
            '$' | '`' => self.dollar(letter)?,
            '|' | '&' | ';' | '<' | '>' | '(' | ')' => return Err(ShellError::Control(letter)),
            letter => self.push(letter),
        }
        Ok(())
    }

    fn end(&mut self) {
        self.words.extend(self.word.take());
    }

    fn push(&mut self, letter: char) {
        let mut bytes = [0; 4];
        self.word.get_or_insert_default().extend(letter.encode_utf8(&mut bytes).bytes());
    }

    fn single(&mut self) -> Result<(), ShellError> {
        self.word.get_or_insert_default();
        loop {
            match self.rest.next().ok_or(ShellError::Open('\''))? {
                '\'' => return Ok(()),
                letter => self.push(letter),
            }
        }
    }

    fn double(&mut self) -> Result<(), ShellError> {
        self.word.get_or_insert_default();
        loop {
            match self.rest.next().ok_or(ShellError::Open('"'))? {
                '"' => return Ok(()),
                '\\' => match self.rest.next().ok_or(ShellError::Open('"'))? {
                    '\n' => {}
                    letter if "$`\"\\".contains(letter) => self.push(letter),
                    letter => ['\\', letter].into_iter().for_each(|letter| self.push(letter)),
                },
                letter @ ('$' | '`') => self.dollar(letter)?,
                letter => self.push(letter),
            }
        }
    }

    /// A `$` that begins nothing stands for itself.
    fn dollar(&mut self, letter: char) -> Result<(), ShellError> {
        let begins = |next: &char| next.is_alphanumeric() || "_{(@*#?!$-".contains(*next);
        if letter == '$' && !self.rest.peek().is_some_and(begins) {
            self.push(letter);
            return Ok(());
        }
        let name = self.rest.clone().take_while(|next| next.is_alphanumeric() || "_{(".contains(*next));
        Err(ShellError::Filled(std::iter::once(letter).chain(name).collect()))
    }

    /// `$'…'`: bash, "ANSI-C Quoting".
    fn ansi(&mut self) -> Result<(), ShellError> {
        self.word.get_or_insert_default();
        loop {
            match self.rest.next().ok_or(ShellError::Open('\''))? {
                '\'' => return Ok(()),
                '\\' => {
                    let letter = self.rest.next().ok_or(ShellError::Open('\''))?;
                    self.escape(letter)?;
                }
                letter => self.push(letter),
            }
        }
    }

    fn escape(&mut self, letter: char) -> Result<(), ShellError> {
        match letter {
            'n' => self.push('\n'),
            't' => self.push('\t'),
            'r' => self.push('\r'),
            'a' => self.push('\u{7}'),
            'b' => self.push('\u{8}'),
            'e' | 'E' => self.push('\u{1b}'),
            'f' => self.push('\u{c}'),
            'v' => self.push('\u{b}'),
            '\\' | '\'' | '"' | '?' => self.push(letter),
            'x' => self.byte(16, 2, String::new())?,
            '0'..='7' => self.byte(8, 2, letter.into())?,
            'u' => self.code_point(4)?,
            'U' => self.code_point(8)?,
            other => return Err(ShellError::Escape(other.into())),
        }
        Ok(())
    }

    fn byte(&mut self, radix: u32, most: usize, mut digits: String) -> Result<(), ShellError> {
        self.digits(radix, most, &mut digits);
        // As bash does it, an octal number beyond a byte wraps.
        let value = u16::from_str_radix(&digits, radix).map_err(|_| ShellError::Escape(digits))?;
        self.word.get_or_insert_default().push(value.to_le_bytes()[0]);
        Ok(())
    }

    fn code_point(&mut self, most: usize) -> Result<(), ShellError> {
        let mut digits = String::new();
        self.digits(16, most, &mut digits);
        let letter = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
        self.push(letter.ok_or(ShellError::Escape(format!("u{digits}")))?);
        Ok(())
    }

    fn digits(&mut self, radix: u32, most: usize, digits: &mut String) {
        for _ in 0..most {
            digits.extend(self.rest.next_if(|letter| letter.is_digit(radix)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Result<Vec<String>, ShellError> {
        Ok(words(line)?.into_iter().map(|word| String::from_utf8(word).unwrap()).collect())
    }

    #[test]
    fn words_are_split_as_a_shell_does_it() {
        let cases: [(&str, &[&str]); 10] = [
            ("a  b\tc", &["a", "b", "c"]),
            ("a\\\n  b \\\r\n c", &["a", "b", "c"]),
            (r#"'a b' "c d"e'f'"#, &["a b", "c def"]),
            (r#"'' "" a"#, &["", "", "a"]),
            (r#"'a\b' "a\b\"\$\\" a\b\ c"#, &["a\\b", "a\\b\"$\\", "ab c"]),
            (r"'it'\''s'", &["it's"]),
            (r"$'it\'s\n\x41\101\u00e9\\'", &["it's\nAAé\\"]),
            ("$ curl a$", &["$", "curl", "a$"]),
            ("'$A `b` | &'", &["$A `b` | &"]),
            ("h?a=1", &["h?a=1"]),
        ];
        for (line, expected) in cases {
            assert_eq!(split(line).unwrap(), expected, "{line}");
        }
        assert_eq!(words(r"$'\xff'"), Ok(vec![vec![0xff]]));
    }

    #[test]
    fn what_only_a_shell_knows_is_refused() {
        let cases = [
            ("curl $TOKEN", ShellError::Filled("$TOKEN".into())),
            ("\"a ${TOKEN}\"", ShellError::Filled("${TOKEN".into())),
            ("\"$(date)\"", ShellError::Filled("$(date".into())),
            ("`date`", ShellError::Filled("`date".into())),
            ("curl a | jq", ShellError::Control('|')),
            ("curl h?a=1&b=2", ShellError::Control('&')),
            ("'a", ShellError::Open('\'')),
            ("\"a", ShellError::Open('"')),
            (r"$'\q'", ShellError::Escape("q".into())),
        ];
        for (line, expected) in cases {
            assert_eq!(split(line), Err(expected), "{line}");
        }
    }
}
