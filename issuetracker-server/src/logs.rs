//! The log on stderr: text or JSON, and always one line per event, whatever foreign text is in it. What is logged is decided
//! where it happens.

use std::io::{self, Write};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::config::{Config, LogFormat};

/// Starts the log of the process.
pub fn start(config: &Config) {
    let filter = EnvFilter::try_new(&config.log_filter).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::registry().with(filter).with(layer(config.log_format, io::stderr)).init();
}

/// The events of any subscriber, written to `writer`.
fn layer<S, W>(format: LogFormat, writer: W) -> Box<dyn tracing_subscriber::Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(OneLineEach(writer));
    match format {
        LogFormat::Text => Box::new(lines),
        LogFormat::Json => Box::new(lines.json()),
    }
}

/// Writes each event as one line.
struct OneLineEach<W>(W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for OneLineEach<W> {
    type Writer = OneLine<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        OneLine(self.0.make_writer())
    }
}

/// Takes one event in one write, as the formatter gives it.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let mut line = String::with_capacity(text.len() + 1);
        for character in text.chars() {
            // A line break would let a foreign text write events of its own; the others would play with a terminal. Written
            // like this they are the same text to a reader of JSON.
            match character {
                '\n' => line.push_str("\\n"),
                '\r' => line.push_str("\\r"),
                _ if breaks_out(character) => line.push_str(&format!("\\u{:04x}", u32::from(character))),
                _ => line.push(character),
            }
        }
        line.push('\n');
        self.0.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Control characters, Unicode's own line breaks, and what turns the direction of text.
fn breaks_out(character: char) -> bool {
    character.is_control() && character != '\t'
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    const HOSTILE: &str =
        "first\nsecond\r\nthird\u{b}\u{c}\u{85}\u{2028}\u{2029} \x1b[31mred\x1b[0m \0 \u{202e}cba \"quoted\" \\ {}";

    /// What two events look like whose every part is hostile.
    fn logged(format: LogFormat) -> String {
        let output = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&output);
        let subscriber = tracing_subscriber::registry().with(layer(format, move || Shared(Arc::clone(&writer))));
        tracing::subscriber::with_default(subscriber, || {
            let error = io::Error::other(HOSTILE);
            let _span = tracing::info_span!("request", path = HOSTILE, shown = %HOSTILE).entered();
            tracing::error!(error = &error as &dyn std::error::Error, text = HOSTILE, shown = %HOSTILE, "{HOSTILE}");
            tracing::info!(debug = ?HOSTILE, "after");
        });
        let bytes = output.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_event_is_one_line_of_text() {
        let text = logged(LogFormat::Text);
        assert_eq!(text.lines().count(), 2, "{text:?}");
        assert!(!text.replace('\n', "").contains(breaks_out), "{text:?}");
        assert!(text.contains("second") && text.contains("third") && text.contains("after"), "{text:?}");
    }

    #[test]
    fn an_event_is_one_line_of_json_that_says_the_same() {
        let text = logged(LogFormat::Json);
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{text:?}");
        for field in ["message", "text", "shown", "error"] {
            assert_eq!(lines[0]["fields"][field], HOSTILE, "{field}");
        }
        assert_eq!(lines[1]["fields"]["message"], "after");
    }
}
