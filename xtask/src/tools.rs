//! Programs that the pipeline installs for itself, each in a pinned version, under `target/tools`.

use std::path::PathBuf;

use crate::shell::{Program, StepError, cargo, root};

fn home() -> PathBuf {
    root().join("target/tools")
}

/// A program from the registry of crates; built once.
pub fn from_crates(name: &str, version: &str, features: &str) -> Result<PathBuf, StepError> {
    let home = home().join(format!("{name}-{version}"));
    let program = home.join("bin").join(name);
    if !program.exists() {
        // Built beside the workspace's own output, and with the toolchain's defaults.
        cargo(&format!("install {name} --version ={version} --locked {features}"))
            .arg("--root")
            .arg(&home)
            .env("CARGO_TARGET_DIR", home.join("build"))
            // They run for seconds and would be optimised for minutes.
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
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

/// A program from the Python package index, its bytes pinned by their hash when the package names one.
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
