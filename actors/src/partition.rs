//! The actix shell of a partition: it steps its host when there is mail or when something is due.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, Message, SpawnHandle};

use crate::host::Host;
use crate::ports::Clock;

/// There is mail: at most one of these is under way.
pub struct Wake;

impl Message for Wake {
    type Result = ();
}

/// The engine closes: the partition stops after its last turn.
pub struct Stop;

impl Message for Stop {
    type Result = ();
}

/// The actor.
pub struct Partition {
    host: Host,
    clock: Arc<dyn Clock>,
    timer: Option<(i64, SpawnHandle)>,
}

impl Partition {
    /// Wraps a host.
    pub fn new(host: Host, clock: Arc<dyn Clock>) -> Self {
        Self { host, clock, timer: None }
    }

    fn step(&mut self, ctx: &mut Context<Self>) {
        if self.host.step() {
            // More is there: others on this thread get a chance in between.
            ctx.notify(Wake);
        }
        self.set_timer(ctx);
    }

    fn set_timer(&mut self, ctx: &mut Context<Self>) {
        let Some(due) = self.host.next_due() else { return };
        if self.timer.as_ref().is_some_and(|(at, _)| *at <= due.0) {
            return;
        }
        if let Some((_, handle)) = self.timer.take() {
            ctx.cancel_future(handle);
        }
        let micros = (due.0 - self.clock.now().0).max(0) as u64;
        // The wheel of the runtime is coarse, and a manual clock may jump: look again at least every second.
        let pause = Duration::from_micros(micros.clamp(1_000, 1_000_000));
        let handle = ctx.run_later(pause, |partition, ctx| {
            partition.timer = None;
            partition.step(ctx);
        });
        self.timer = Some((due.0, handle));
    }
}

impl Actor for Partition {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.step(ctx);
    }
}

impl Handler<Wake> for Partition {
    type Result = ();

    fn handle(&mut self, _: Wake, ctx: &mut Self::Context) {
        self.step(ctx);
    }
}

impl Handler<Stop> for Partition {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        while self.host.step() {}
        actix::ActorContext::stop(ctx);
        if let Some(system) = actix::System::try_current() {
            system.stop();
        }
    }
}
