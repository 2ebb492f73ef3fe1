//! Tokens of VNN-LIB.

/// A token with the byte at which it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Open,
    Close,
    /// `[`.
    OpenIndex,
    /// `]`.
    CloseIndex,
    Comma,
    /// A name, a number, a keyword, or a quoted text with its quotes.
    Word(&'a str),
    End,
}

impl Token<'_> {
    /// For error messages, cut to a sensible length.
    pub(super) fn shown(self) -> String {
        match self {
            Token::Open => "`(`".to_owned(),
            Token::Close => "`)`".to_owned(),
            Token::OpenIndex => "`[`".to_owned(),
            Token::CloseIndex => "`]`".to_owned(),
            Token::Comma => "`,`".to_owned(),
            Token::Word(word) => format!("`{}`", shortened(word)),
            Token::End => "the end of the file".to_owned(),
        }
    }
}

/// At most 40 characters of a word.
pub(super) fn shortened(word: &str) -> String {
    let mut short: String = word.chars().take(40).collect();
    if short.len() < word.len() {
        short.push('…');
    }
    short
}

/// Cuts a text into tokens, one at a time; `;` starts a comment.
#[derive(Clone)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next token and its offset.
    pub(super) fn next(&mut self) -> (usize, Token<'a>) {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b';' => self.at = find(bytes, self.at, |b| b == b'\n'),
                0xEF if self.at == 0 && self.text.starts_with('\u{FEFF}') => self.at += '\u{FEFF}'.len_utf8(),
                _ => break,
            }
        }
        let start = self.at;
        let Some(&byte) = bytes.get(start) else { return (start, Token::End) };
        let single = match byte {
            b'(' => Some(Token::Open),
            b')' => Some(Token::Close),
            b'[' => Some(Token::OpenIndex),
            b']' => Some(Token::CloseIndex),
            b',' => Some(Token::Comma),
            _ => None,
        };
        if let Some(token) = single {
            self.at += 1;
            return (start, token);
        }
        let token = match byte {
            quote @ (b'"' | b'|') => {
                let close = find(bytes, start + 1, |b| b == quote);
                self.at = (close + 1).min(bytes.len());
                Token::Word(&self.text[start..self.at])
            }
            _ => {
                self.at = find(bytes, start, |b| b" \t\r\n()[],;".contains(&b));
                Token::Word(&self.text[start..self.at])
            }
        };
        (start, token)
    }
}

/// The first byte from `start` on that satisfies `wanted`, or the end.
fn find(bytes: &[u8], start: usize, wanted: impl Fn(u8) -> bool) -> usize {
    bytes[start..].iter().position(|&b| wanted(b)).map_or(bytes.len(), |at| start + at)
}
