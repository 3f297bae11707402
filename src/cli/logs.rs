//! Logs go to stderr; `STOCKADE_LOG` says how much, in the syntax of `RUST_LOG`.

use std::io::IsTerminal;
use std::sync::Arc;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, fmt, reload};

use crate::http::log_level::LogLevel;

/// Begins to log, and hands out what changes the level later; nothing if the process logs by other means already.
pub(super) fn to_stderr(default: &str) -> Option<Arc<LogLevel>> {
    let wanted = std::env::var("STOCKADE_LOG").ok().filter(|text| parse(text).is_ok());
    let wanted = wanted.unwrap_or_else(|| default.to_owned());
    let (filter, handle) = reload::Layer::new(parse(&wanted).ok()?);
    let colours = std::io::stderr().is_terminal();
    let lines = fmt::layer().with_ansi(colours).with_writer(std::io::stderr);
    // A second subscriber in one process is refused; the first one stays.
    tracing_subscriber::registry().with(filter).with(lines).try_init().ok()?;
    let apply = move |text: &str| handle.reload(parse(text)?).map_err(|error| error.to_string());
    Some(Arc::new(LogLevel::new(wanted, apply)))
}

/// Reads a filter strictly: what is not understood is refused. The library would take a misspelt level for the name
/// of a target, and silence everything else.
fn parse(text: &str) -> Result<EnvFilter, String> {
    let is_level = |text: &str| !text.is_empty() && text.parse::<LevelFilter>().is_ok();
    let is_directive = |part: &str| match part.rsplit_once('=') {
        Some((target, level)) => {
            let is_plain = !target.is_empty() && !target.contains('=');
            (is_plain || target.contains('[')) && is_level(level)
        }
        None => is_level(part),
    };
    let wrong = || format!("`{text}` is not a filter: send a level such as `info`, or `stockade::http=debug,info`");
    if !text.split(',').all(|part| is_directive(part.trim())) {
        return Err(wrong());
    }
    EnvFilter::builder().parse(text).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_targets_are_filters_and_anything_else_is_refused() {
        for text in ["info", "DEBUG", "off", "stockade=debug", "stockade::http=trace,info", " warn "] {
            assert!(parse(text).is_ok(), "{text}");
        }
        for text in ["", " ", "loud", "info,loud", "stockade=loud", "stockade=", "a=b=c", ",", "info,"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
