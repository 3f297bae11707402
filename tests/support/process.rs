//! A server in a process of its own, which ends with its test, however that ends.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

pub struct ServerProcess {
    child: Child,
    pub address: SocketAddr,
}

impl ServerProcess {
    /// Serves a directory on a free port, with what else is set for it, and waits until it says where it listens.
    pub fn start(data: &Path, set: impl FnOnce(&mut Command) -> &mut Command) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stockade"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--json", "--data"]).arg(data);
        set(&mut command).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the server starts");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("piped")).read_line(&mut line).expect("it says where it listens");
        let line: serde_json::Value = serde_json::from_str(&line).expect("one JSON line");
        let address = line["listen"].as_str().expect("an address").parse().expect("an address");
        Self { child, address }
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Ends it at once.
    pub fn kill(mut self) {
        self.child.kill().expect("SIGKILL is delivered");
        self.child.wait().expect("it ends");
    }

    /// Asks it to end, which it does cleanly.
    pub fn stop(mut self) {
        kill_process(self.pid(), Signal::TERM).expect("SIGTERM is delivered");
        assert!(self.child.wait().expect("it ends").success(), "SIGTERM stops it cleanly");
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
