//! Server-sent events, as the HTML standard's "event stream" format writes them: what comes in pieces goes out as whole
//! messages.

/// The longest line of a message: a plan with all its files' worth fits many times.
const LONGEST: usize = 16 << 20;

/// Something that is no event stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoStream;

/// Puts messages together.
#[derive(Debug, Default)]
pub(super) struct Parser {
    /// Bytes of a line that has not ended.
    line: Vec<u8>,
    data: Vec<String>,
}

impl Parser {
    /// Takes a piece; answers with the data of each message that it completes.
    pub(super) fn take(&mut self, piece: &[u8]) -> Result<Vec<String>, NoStream> {
        let mut messages = Vec::new();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if self.line.len() > LONGEST {
                return Err(NoStream);
            }
            if self.line.pop_if(|byte| *byte == b'\n').is_none() {
                break;
            }
            self.line.pop_if(|byte| *byte == b'\r');
            let line = String::from_utf8(std::mem::take(&mut self.line)).map_err(|_| NoStream)?;
            if line.is_empty() {
                if !self.data.is_empty() {
                    messages.push(std::mem::take(&mut self.data).join("\n"));
                }
            } else if let Some(data) = line.strip_prefix("data:") {
                self.data
                    .push(data.strip_prefix(' ').unwrap_or(data).to_owned());
            }
            // Ids and names are in the data too; a line that begins with a colon only shows that the stream lives.
        }
        Ok(messages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str =
        "id: 1\nevent: noted\ndata: {\"seq\":1}\n\n: heartbeat\n\ndata: a\r\ndata: ü\r\n\r\ndata";

    #[test]
    fn messages_come_out_whole_wherever_the_pieces_are_cut() {
        for cut in 0..=STREAM.len() {
            let (first, second) = STREAM.as_bytes().split_at(cut);
            let mut parser = Parser::default();
            let mut messages = parser.take(first).expect("a stream");
            messages.extend(parser.take(second).expect("a stream"));
            assert_eq!(messages, ["{\"seq\":1}", "a\nü"], "cut at {cut}");
        }
    }

    #[test]
    fn what_never_ends_a_line_is_no_stream() {
        let mut parser = Parser::default();
        let endless = vec![b'x'; LONGEST];
        assert_eq!(parser.take(&endless), Ok(Vec::new()));
        assert_eq!(parser.take(b"x"), Err(NoStream));
    }
}
