//! The auditor at a running engine's heels: it reads what the journal has made durable, and knows at any moment whether more
//! was promised than there was. It shares no rule with the engine.

use crate::audit::Auditor;
use crate::engine::Engine;

/// See the module.
#[derive(Default)]
pub(super) struct Shadow {
    auditor: Auditor,
    /// The last record it has read.
    read_to: u64,
}

impl Shadow {
    /// Reads on to what is durable now. What cannot be read now is read the next time: the whole journal is audited in the end.
    pub(super) fn catch_up(&mut self, engine: &Engine) {
        let Self { auditor, read_to } = self;
        let read = engine.durable_records(*read_to + 1, &mut |seq, record| {
            auditor.take(seq, record);
            *read_to = seq;
        });
        if let Err(error) = read {
            tracing::debug!(%error, "the journal cannot be read just now");
        }
    }

    /// Units that were promised and not there.
    pub(super) fn oversold(&self) -> u64 {
        self.auditor.oversold()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{NewOrder, Sku};
    use stockade_domain::Money;

    #[test]
    fn it_reads_each_record_once_as_it_comes() {
        let engine = Engine::in_memory().unwrap();
        let mut shadow = Shadow::default();
        engine.put_sku(Sku::new("MUG", Money::parse("5.00 EUR").unwrap())).wait().unwrap();
        engine.receive("MUG", 3).wait().unwrap();
        shadow.catch_up(&engine);
        let before = shadow.read_to;
        assert!(before >= 2);
        engine.place(NewOrder::one("MUG", 3)).wait().unwrap();
        shadow.catch_up(&engine);
        shadow.catch_up(&engine);
        assert!(shadow.read_to > before && shadow.read_to == engine.durable());
        assert_eq!((shadow.oversold(), shadow.auditor.finish().faults_found), (0, 0));
    }
}
