//! Programs that the pipeline installs for itself, each in a pinned version, under `target/tools`.

use std::path::PathBuf;
use std::sync::Mutex;

use crate::shell::{Program, StepError, patient_cargo, root};

fn home() -> PathBuf {
    root().join("target/tools")
}

/// A program from the registry of crates.
pub struct Tool {
    name: &'static str,
    version: &'static str,
    features: &'static str,
    /// Most run for seconds and would be optimised for minutes.
    opt_level: &'static str,
}

/// Licences, sources and duplicates of dependencies.
pub const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2", features: "", opt_level: "0" };
/// Dependencies that nothing uses.
pub const MACHETE: Tool = Tool { name: "cargo-machete", version: "0.9.2", features: "", opt_level: "0" };
/// Runs benches under valgrind.
pub const GUNGRAUN: Tool = Tool { name: "gungraun-runner", version: "0.20.0", features: "", opt_level: "0" };
/// Measures coverage, and reads gigabytes for it.
pub const TARPAULIN: Tool =
    Tool { name: "cargo-tarpaulin", version: "0.37.5", features: "--no-default-features", opt_level: "1" };
/// Makes deliberate mistakes.
pub const MUTANTS: Tool = Tool { name: "cargo-mutants", version: "27.1.0", features: "", opt_level: "1" };

/// One is built at a time; who needs one that is being built waits for it.
static BUILDING: Mutex<()> = Mutex::new(());

/// Where the program is; it is built where it is not there yet.
pub fn from_crates(tool: &Tool) -> Result<PathBuf, StepError> {
    let Tool { name, version, features, opt_level } = tool;
    let home = home().join(format!("{name}-{version}"));
    let program = home.join("bin").join(name);
    let _building = BUILDING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !program.exists() {
        // Built beside the workspace's own output.
        patient_cargo(&format!("install {name} --version ={version} --locked {features}"))
            .arg("--root")
            .arg(&home)
            .env("CARGO_TARGET_DIR", home.join("build"))
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", opt_level)
            .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "256")
            .quiet()
            .run()?;
        // The build is as large as the workspace's, the program is one file.
        let _ = std::fs::remove_dir_all(home.join("build"));
    }
    Ok(program)
}

/// A program from the Python package index.
pub fn from_python(package: &str, version: &str, program: &str) -> Result<PathBuf, StepError> {
    let home = home().join(format!("{package}-{version}"));
    let path = home.join("bin").join(program);
    if !path.exists() {
        Program::new("python3").args("-m venv").arg(&home).quiet().run()?;
        Program::new(home.join("bin/pip"))
            .args("install --quiet --disable-pip-version-check --only-binary :all:")
            .arg(format!("{package}=={version}"))
            .quiet()
            .run()?;
    }
    Ok(path)
}
