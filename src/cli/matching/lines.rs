//! Lines in and answers out, without ever leaving the other side waiting for an answer that sits in a buffer.

use std::io::{self, BufRead, BufReader, Read, Write};

/// The longest line that is read whole; of a longer one only the refusal is left.
pub(super) const LINE_LENGTH_MAX: usize = 1 << 20;

/// One line of input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// Its bytes, without the line end.
    Text(&'a [u8]),
    /// It was longer than [`LINE_LENGTH_MAX`] and was skipped.
    TooLong,
}

/// Reads lines and writes answers.
///
/// Answers are written out before a read that may have to wait: a caller that sends one command and waits gets its
/// answer at once, and one that sends a million pays for few writes.
pub(super) struct Lines<R, W: Write> {
    input: BufReader<R>,
    output: W,
    line: Vec<u8>,
}

impl<R: Read, W: Write> Lines<R, W> {
    pub(super) fn new(input: R, output: W) -> Self {
        Self { input: BufReader::with_capacity(1 << 16, input), output, line: Vec::with_capacity(512) }
    }

    /// The next line with the place for its answers; `None` at the end of the input.
    pub(super) fn next(&mut self) -> io::Result<Option<(Line<'_>, &mut W)>> {
        self.line.clear();
        let (mut length, mut is_line) = (0, false);
        loop {
            if self.input.buffer().is_empty() {
                self.output.flush()?;
            }
            let buffered = self.input.fill_buf()?;
            if buffered.is_empty() {
                break;
            }
            is_line = true;
            let end = buffered.iter().position(|&byte| byte == b'\n');
            let part = &buffered[..end.unwrap_or(buffered.len())];
            length += part.len();
            if length <= LINE_LENGTH_MAX {
                self.line.extend_from_slice(part);
            }
            let taken = part.len() + usize::from(end.is_some());
            self.input.consume(taken);
            if end.is_some() {
                break;
            }
        }
        if !is_line {
            return Ok(None);
        }
        if length > LINE_LENGTH_MAX {
            return Ok(Some((Line::TooLong, &mut self.output)));
        }
        if self.line.last() == Some(&b'\r') {
            self.line.pop();
        }
        Ok(Some((Line::Text(&self.line), &mut self.output)))
    }

    /// Writes out what was answered.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::collections::VecDeque;
    use std::rc::Rc;

    fn all(input: &[u8]) -> Vec<Option<String>> {
        let mut lines = Lines::new(input, io::sink());
        let mut read = Vec::new();
        while let Some((line, _)) = lines.next().expect("memory does not fail") {
            read.push(match line {
                Line::Text(text) => Some(String::from_utf8(text.to_vec()).expect("written here as text")),
                Line::TooLong => None,
            });
        }
        read
    }

    fn texts(lines: &[&str]) -> Vec<Option<String>> {
        lines.iter().map(|line| Some((*line).to_string())).collect()
    }

    #[test]
    fn lines_end_with_a_line_feed_a_carriage_return_too_or_the_end_of_the_input() {
        for (input, lines) in
            [("", &[][..]), ("\n", &[""]), ("a\nb\n", &["a", "b"]), ("a\r\nb", &["a", "b"]), ("\n\na", &["", "", "a"])]
        {
            assert_eq!(all(input.as_bytes()), texts(lines), "{input:?}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_named_and_the_next_one_is_read() {
        let mut input = vec![b'x'; LINE_LENGTH_MAX];
        input.extend_from_slice(b"\n");
        input.extend_from_slice(&vec![b'y'; LINE_LENGTH_MAX + 1]);
        input.extend_from_slice(b"\nafter\n");
        let read = all(&input);
        assert_eq!(read.len(), 3);
        assert_eq!(read[0].as_deref().map(str::len), Some(LINE_LENGTH_MAX));
        assert_eq!(read[1], None);
        assert_eq!(read[2].as_deref(), Some("after"));
    }

    /// Hands out one piece per read, and says how much had been answered when it was asked.
    struct Pieces {
        left: VecDeque<&'static [u8]>,
        answered: Rc<RefCell<Vec<u8>>>,
        seen: Rc<RefCell<Vec<usize>>>,
    }

    impl Read for Pieces {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.seen.borrow_mut().push(self.answered.borrow().len());
            let Some(piece) = self.left.pop_front() else { return Ok(0) };
            into[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    struct Shared(Rc<RefCell<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn whatever_was_answered_is_out_before_the_input_is_waited_for() {
        let (answered, seen) = (Rc::new(RefCell::new(Vec::new())), Rc::new(RefCell::new(Vec::new())));
        let left = VecDeque::from([&b"one\ntwo\nth"[..], b"ree\n"]);
        let input = Pieces { left, answered: answered.clone(), seen: seen.clone() };
        let mut lines = Lines::new(input, io::BufWriter::new(Shared(answered)));
        while let Some((_, output)) = lines.next().expect("memory does not fail") {
            output.write_all(b"!").expect("memory does not fail");
        }
        assert_eq!(*seen.borrow(), [0, 2, 3], "two answers before the second read, three before the end");
    }
}
