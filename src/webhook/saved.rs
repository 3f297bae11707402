//! The endpoints that were made while the engine ran, and which ones are disabled: one file beside the cursors.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};
use stockade_domain::Timestamp;

use super::endpoint::{Endpoint, EndpointInvalid};
use super::file::{Readable, replace, sync_directory};

/// The file's name. No endpoint has a name with a dot, so no cursor is called this.
const FILE: &str = "endpoints.json";
/// What this program writes.
const VERSION: u32 = 1;

/// An endpoint as it was made. Its secrets are in it, so nothing shows it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedEndpoint {
    pub(super) name: String,
    pub(super) url: String,
    #[serde(default)]
    pub(super) types: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    /// The latest first.
    pub(super) secrets: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ca_file: Option<PathBuf>,
    pub(super) created_at: Timestamp,
}

impl SavedEndpoint {
    /// By the same rules as what is configured.
    pub(super) fn endpoint(&self) -> Result<Endpoint, EndpointInvalid> {
        Endpoint::trusting(&self.name, &self.url, self.types.clone(), &self.secrets, self.ca_file.as_deref())
    }
}

/// What the file says.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Saved {
    version: u32,
    pub(super) endpoints: Vec<SavedEndpoint>,
    /// Names, of configured ones too.
    pub(super) disabled: BTreeSet<String>,
}

impl Default for Saved {
    fn default() -> Self {
        Self { version: VERSION, endpoints: Vec::new(), disabled: BTreeSet::new() }
    }
}

impl Saved {
    /// Reads it; where there is none, nothing was made.
    pub(super) fn load(dir: &Path) -> io::Result<Self> {
        let path = path_in(dir);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error),
        };
        let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
        // What serde_json says names places and fields, never what stands there.
        let saved: Self = serde_json::from_slice(&text)
            .map_err(|error| invalid(format!("line {} column {} is not readable", error.line(), error.column())))?;
        match saved.version {
            VERSION => Ok(saved),
            other => Err(invalid(format!("version {other} was written by a newer stockade"))),
        }
    }

    /// Writes it; it is on disk when this returns.
    pub(super) fn save(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)?;
        let text = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        replace(&path_in(dir), &text, Readable::ByOwner)?;
        sync_directory(dir)
    }

    pub(super) fn find_mut(&mut self, name: &str) -> Option<&mut SavedEndpoint> {
        self.endpoints.iter_mut().find(|endpoint| endpoint.name == name)
    }
}

/// Where it is.
pub(super) fn path_in(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn what_was_made_is_read_again_by_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("webhooks");
        assert!(Saved::load(&dir).unwrap().endpoints.is_empty());
        let endpoint = SavedEndpoint {
            name: "shop".into(),
            url: "http://localhost:9/x".into(),
            types: vec!["order".into()],
            description: None,
            secrets: vec![SECRET.into()],
            ca_file: None,
            created_at: Timestamp(1_790_000_000_000_000),
        };
        let saved = Saved { endpoints: vec![endpoint], disabled: ["shop".to_owned()].into(), ..Saved::default() };
        saved.save(&dir).unwrap();
        let mut read = Saved::load(&dir).unwrap();
        assert_eq!(read.disabled, saved.disabled);
        assert!(read.endpoints[0].endpoint().is_ok());
        let found = read.find_mut("shop").unwrap();
        assert_eq!((found.secrets[0].as_str(), found.created_at), (SECRET, Timestamp(1_790_000_000_000_000)));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(path_in(&dir)).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{mode:o}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_forgotten_and_shows_no_secret() {
        let dir = tempfile::tempdir().unwrap();
        let unreadable = [
            format!("{{\"version\":1,\"disabled\":[],\"endpoints\":[{{\"secrets\":\"{SECRET}\"}}]}}"),
            r#"{"version":2,"disabled":[],"endpoints":[]}"#.to_owned(),
            String::new(),
        ];
        for text in unreadable {
            fs::write(path_in(dir.path()), text).unwrap();
            let error = Saved::load(dir.path()).err().unwrap().to_string();
            assert!(!error.contains(SECRET), "{error}");
        }
    }
}
