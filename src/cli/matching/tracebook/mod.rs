//! The conformance protocol `tracebook.conformance`, version 1, spoken over the bare book.
//!
//! ```text
//!   hello ─▶ ready          event ─▶ observation: outcome, trades, hash of every queue
//!   snapshot ─▶ snapshot    finish ─▶ complete
//! ```
//!
//! Two translations are made. Decimal prices and quantities become whole ticks and units ([`scale`]), and a `replace`
//! is a cancellation and a new order, because the suite's reference gives up the place in line even for a smaller
//! quantity, where an amended order of the book keeps it.

mod books;
mod message;
mod scale;

use std::io::{Read, Write};

use stockade_domain::book::{BookConfig, Matcher};

use super::lines::{Line, Lines};
use books::Books;
use message::{Broken, Complete, Message, PROTOCOL, PROTOCOL_VERSION, Ready, Snapshot};

/// Why a conversation ended before its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum TracebookError {
    /// The other side does not speak the protocol.
    #[error("{0}")]
    Protocol(String),
    /// A pipe broke.
    #[error("cannot read or write: {0}")]
    Io(#[from] std::io::Error),
}

/// Holds one conversation, from `hello` to `finish`.
pub(super) fn converse<B: Matcher<u64>>(
    input: impl Read,
    output: impl Write,
    new_book: fn(BookConfig) -> B,
) -> Result<(), TracebookError> {
    let mut lines = Lines::new(input, output);
    let mut talk = Talk { books: None, new_book, index: 0 };
    loop {
        let Some((line, output)) = lines.next()? else {
            return Err(TracebookError::Protocol("the input ended before `finish`".into()));
        };
        let answered = match line {
            Line::TooLong => Err("the message is too long".into()),
            Line::Text(text) if text.iter().all(u8::is_ascii_whitespace) => continue,
            Line::Text(text) => talk.answer(text, output),
        };
        match answered {
            Ok(false) => {}
            Ok(true) => return Ok(output.flush()?),
            Err(message) => {
                say(output, &Broken { kind: "error", code: "PROTOCOL_ERROR", message: &message })?;
                output.flush()?;
                return Err(TracebookError::Protocol(message));
            }
        }
    }
}

fn say(output: &mut impl Write, message: &impl serde::Serialize) -> std::io::Result<()> {
    serde_json::to_writer(&mut *output, message)?;
    output.write_all(b"\n")
}

struct Talk<B> {
    books: Option<Books<B>>,
    new_book: fn(BookConfig) -> B,
    /// The last command's number.
    index: u64,
}

impl<B: Matcher<u64>> Talk<B> {
    /// Answers one message; true after the last one. The text of an error is for the other side.
    fn answer(&mut self, text: &[u8], output: &mut impl Write) -> Result<bool, String> {
        let message: Message<'_> = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let told = |told: std::io::Result<()>| told.map_err(|error| error.to_string());
        let Some(books) = &mut self.books else {
            self.books = Some(Self::greet(&message, self.new_book)?);
            told(say(output, &Ready::new()))?;
            return Ok(false);
        };
        match &*message.kind {
            "event" => {
                let event = message.event.as_ref().ok_or("an event message has an event")?;
                if message.index != Some(self.index + 1) {
                    return Err("event indexes are contiguous and start at 1".into());
                }
                let observation = books.observe(self.index + 1, event)?;
                self.index += 1;
                told(say(output, &observation))?;
            }
            "snapshot" if message.index == Some(self.index) => {
                told(say(output, &Snapshot { kind: "snapshot", index: self.index, state: books.state() }))?;
            }
            "snapshot" => return Err("the snapshot index is not that of the last event".into()),
            "finish" if message.event_count == Some(self.index) => {
                told(say(output, &Complete { kind: "complete", event_count: self.index }))?;
                return Ok(true);
            }
            "finish" => return Err("the event count is not that of the events".into()),
            kind => return Err(format!("there is no message `{kind}`")),
        }
        Ok(false)
    }

    fn greet(message: &Message<'_>, new_book: fn(BookConfig) -> B) -> Result<Books<B>, String> {
        if message.kind != "hello" {
            return Err("the first message is hello".into());
        }
        if message.protocol.as_deref() != Some(PROTOCOL) || message.protocol_version != Some(PROTOCOL_VERSION) {
            return Err(format!("the protocol is {PROTOCOL}, version {PROTOCOL_VERSION}"));
        }
        Books::new(message.config.as_ref().unwrap_or(&message::Config::default()), new_book)
    }
}
