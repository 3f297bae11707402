//! Endpoints that are made, changed and removed while the engine runs. What is answered is on disk.

use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::cursor::Cursor;
use super::endpoint::EndpointInvalid;
use super::saved::{Saved, SavedEndpoint};
use super::secret::Secret;
use super::service::{Registry, Slot, Webhooks};
use super::status::{EndpointStatus, Source};
use crate::engine::FeedError;

/// The longest description.
pub const DESCRIPTION_BYTES_MAX: usize = 1_000;

/// Why an endpoint is not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeRefused {
    /// It could not be told.
    #[error(transparent)]
    Invalid(#[from] EndpointInvalid),
    /// More is said of it than there is room for.
    #[error("a description has at most {DESCRIPTION_BYTES_MAX} bytes")]
    Description,
    /// Nobody has this name.
    #[error("no webhook endpoint is named `{0}`")]
    Unknown(String),
    /// Somebody has this name.
    #[error("a webhook endpoint is named `{0}` already: choose another name")]
    NameTaken(String),
    /// The configuration alone says what it is.
    #[error(
        "webhook endpoint `{0}` is configured: change it in the configuration and start the server again; to tell it nothing \
         for now, disable it"
    )]
    Configured(String),
    /// It has no such secret.
    #[error("webhook endpoint `{endpoint}` has no secret `{id}`")]
    SecretUnknown {
        /// Which endpoint.
        endpoint: String,
        /// The secret's name.
        id: String,
    },
    /// It has this secret already.
    #[error("webhook endpoint `{0}` has this secret already")]
    SecretTwice(String),
    /// Nobody could verify what it is told any more.
    #[error("it is the last secret of webhook endpoint `{0}`: add the next one first")]
    LastSecret(String),
    /// Nothing has this sequence yet.
    #[error("nothing has this sequence yet: the latest is {durable}")]
    NotYet {
        /// The latest.
        durable: u64,
    },
    /// What follows it is not kept any more.
    #[error("what follows sequence {after} is not in the journal any more")]
    Gone {
        /// The sequence.
        after: u64,
    },
    /// Nothing is told any more.
    #[error("webhooks are stopped")]
    Stopped,
    /// The disk does not take it, or does not give what it has.
    #[error("it could not be written: {0}")]
    Disk(#[from] std::io::Error),
}

/// An endpoint that is to be made.
#[derive(Clone, Default)]
pub struct NewEndpoint {
    /// Its name; one is made if nothing is said.
    pub name: Option<String>,
    /// Where it is.
    pub url: String,
    /// Kinds and types of facts; none: all.
    pub types: Vec<String>,
    /// Its secrets; one is made if there are none.
    pub secrets: Vec<String>,
    /// What its owner says of it.
    pub description: Option<String>,
    /// Certificates (PEM) of authorities that are trusted beside those that browsers trust.
    pub ca_file: Option<PathBuf>,
}

/// What is changed of an endpoint; `None` leaves it as it is.
#[derive(Clone, Default)]
pub struct EndpointChange {
    /// Where it is.
    pub url: Option<String>,
    /// Kinds and types of facts; an empty list: all.
    pub types: Option<Vec<String>>,
    /// What its owner says of it; `Some(None)`: nothing.
    pub description: Option<Option<String>>,
    /// Authorities that are trusted; `Some(None)`: only those that browsers trust.
    pub ca_file: Option<Option<PathBuf>>,
}

/// A secret that was made here, and is shown this once.
pub struct SecretMade {
    /// Its name, which tells nothing of it.
    pub id: String,
    /// The secret, in its usual form; none if the caller brought it.
    pub secret: Option<String>,
}

type Refused<T> = Result<T, ChangeRefused>;

impl Webhooks {
    /// Makes an endpoint; it is told what happens from now on. A secret that was made for it is shown only here.
    ///
    /// # Errors
    ///
    /// [`ChangeRefused`]; nothing was made.
    pub fn create(&self, new: NewEndpoint) -> Refused<(EndpointStatus, Option<String>)> {
        let made = if new.secrets.is_empty() { Some(Secret::make()?.reveal()) } else { None };
        let name = match new.name {
            Some(name) => name,
            None => format!("ep-{}{}", Secret::make()?.id(), Secret::make()?.id()),
        };
        let saved = SavedEndpoint {
            name: name.clone(),
            url: new.url,
            types: new.types,
            description: described(new.description)?,
            secrets: made.clone().map_or(new.secrets, |made| vec![made]),
            ca_file: new.ca_file,
            created_at: self.clock.now(),
        };
        let endpoint = saved.endpoint()?;
        let registry = &mut *self.open()?;
        if registry.slots.contains_key(&name) {
            return Err(ChangeRefused::NameTaken(name));
        }
        let start = self.engine.durable();
        if let Some(dir) = &self.dir {
            std::fs::create_dir_all(dir)?;
        }
        // Before the endpoint: what an earlier one of this name was told is not what this one was.
        Cursor::put(self.dir.as_deref(), &name, start)?;
        self.save(registry, |saved_all| saved_all.endpoints.push(saved))?;
        registry.slots.insert(name.clone(), Slot::new(endpoint, Source::Created, start));
        tracing::info!(endpoint = name, "a webhook endpoint was made");
        self.start_again(registry, &name)?;
        Ok((shown(registry, &name)?, made))
    }

    /// Changes an endpoint that was made at run time. It holds from the next attempt on, which is made at once.
    ///
    /// # Errors
    ///
    /// [`ChangeRefused`]; nothing was changed.
    pub fn change(&self, name: &str, change: EndpointChange) -> Refused<EndpointStatus> {
        let description = change.description.map(described).transpose()?;
        let registry = &mut *self.open()?;
        self.edit(registry, name, |saved| {
            saved.url = change.url.unwrap_or_else(|| saved.url.clone());
            saved.types = change.types.unwrap_or_else(|| saved.types.clone());
            saved.description = description.unwrap_or_else(|| saved.description.clone());
            saved.ca_file = change.ca_file.unwrap_or_else(|| saved.ca_file.clone());
            Ok(())
        })?;
        tracing::info!(endpoint = name, "a webhook endpoint was changed");
        shown(registry, name)
    }

    /// Gives an endpoint one more secret; those of before go on signing until they are removed.
    ///
    /// # Errors
    ///
    /// [`ChangeRefused`]; it has the secrets of before.
    pub fn add_secret(&self, name: &str, secret: Option<&str>) -> Refused<SecretMade> {
        let (added, is_made) = match secret {
            Some(text) => (Secret::parse(text).map_err(EndpointInvalid::Secret)?, false),
            None => (Secret::make()?, true),
        };
        let (id, text) = (added.id(), added.reveal());
        let registry = &mut *self.open()?;
        self.edit(registry, name, |saved| {
            if saved.secrets.contains(&text) {
                return Err(ChangeRefused::SecretTwice(saved.name.clone()));
            }
            saved.secrets.insert(0, text.clone());
            Ok(())
        })?;
        tracing::info!(endpoint = name, secret = id, "a webhook endpoint has one more secret");
        Ok(SecretMade { id, secret: is_made.then_some(text) })
    }

    /// Takes a secret from an endpoint: it does not sign any more.
    ///
    /// # Errors
    ///
    /// [`ChangeRefused`]; it has the secrets of before.
    pub fn remove_secret(&self, name: &str, id: &str) -> Refused<EndpointStatus> {
        let registry = &mut *self.open()?;
        self.edit(registry, name, |saved| {
            let is_it = |text: &String| Secret::parse(text).is_ok_and(|secret| secret.id() == id);
            let endpoint = saved.name.clone();
            let Some(at) = saved.secrets.iter().position(is_it) else {
                return Err(ChangeRefused::SecretUnknown { endpoint, id: id.to_owned() });
            };
            if saved.secrets.len() == 1 {
                return Err(ChangeRefused::LastSecret(endpoint));
            }
            saved.secrets.remove(at);
            Ok(())
        })?;
        tracing::info!(endpoint = name, secret = id, "a webhook endpoint has a secret less");
        shown(registry, name)
    }

    /// Tells an endpoint nothing until it is enabled; what happens meanwhile it is told then.
    ///
    /// # Errors
    ///
    /// [`ChangeRefused`]
    pub fn disable(&self, name: &str) -> Refused<EndpointStatus> {
        let registry = &mut *self.open()?;
        known(registry, name)?;
        if !registry.saved.disabled.contains(name) {
            self.save(registry, |saved| saved.disabled.extend([name.to_owned()]))?;
            tracing::info!(endpoint = name, "a webhook endpoint is disabled");
        }
        known(registry, name)?.stop();
        shown(registry, name)
    }

    /// Tells an endpoint again, from where it was; one that has ended is tried anew.
    ///
    /// # Errors
    ///
    /// [`ChangeRefused`]
    pub fn enable(&self, name: &str) -> Refused<EndpointStatus> {
        let registry = &mut *self.open()?;
        known(registry, name)?;
        if registry.saved.disabled.contains(name) {
            self.save(registry, |saved| saved.disabled.retain(|other| other != name))?;
            tracing::info!(endpoint = name, "a webhook endpoint is enabled");
        }
        self.start_again(registry, name)?;
        shown(registry, name)
    }

    /// Tells an endpoint everything behind this sequence, what it was told too; with a later sequence than it has come to,
    /// nothing before it.
    ///
    /// # Errors
    ///
    /// [`ChangeRefused`]; it goes on where it was.
    pub fn redeliver(&self, name: &str, after: u64) -> Refused<EndpointStatus> {
        let registry = &mut *self.open()?;
        known(registry, name)?;
        let durable = self.engine.durable();
        if after > durable {
            return Err(ChangeRefused::NotYet { durable });
        }
        let first = self.engine.follow(after).poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(Err(FeedError::Gone { .. })) = first {
            return Err(ChangeRefused::Gone { after });
        }
        let slot = known(registry, name)?;
        slot.stop();
        let put = Cursor::put(self.dir.as_deref(), name, after);
        if put.is_ok() {
            let mut progress = slot.progress.lock();
            progress.told_to = after;
            progress.ended = None;
        }
        tracing::info!(endpoint = name, after, "a webhook endpoint is told again");
        self.start_again(registry, name)?;
        put?;
        shown(registry, name)
    }

    /// Removes an endpoint that was made at run time, and how far it was told; its dead letters stay.
    ///
    /// # Errors
    ///
    /// [`ChangeRefused`]; it is still there.
    pub fn remove(&self, name: &str) -> Refused<EndpointStatus> {
        let registry = &mut *self.open()?;
        made(registry, name)?;
        let last = shown(registry, name)?;
        self.save(registry, |saved| {
            saved.endpoints.retain(|endpoint| endpoint.name != name);
            saved.disabled.remove(name);
        })?;
        if let Some(mut slot) = registry.slots.remove(name) {
            slot.stop();
        }
        if let Some(dir) = &self.dir
            && let Err(error) = Cursor::remove(dir, name)
        {
            // A new endpoint of this name puts its own in its place.
            tracing::warn!(endpoint = name, %error, "the cursor of a removed webhook endpoint is left over");
        }
        tracing::info!(endpoint = name, "a webhook endpoint was removed");
        Ok(last)
    }

    fn open(&self) -> Refused<parking_lot::MutexGuard<'_, Registry>> {
        let registry = self.registry.lock();
        if registry.is_stopped() { Err(ChangeRefused::Stopped) } else { Ok(registry) }
    }

    /// Writes what is to be remembered; what is in memory changes only when that is on disk.
    fn save(&self, registry: &mut Registry, change: impl FnOnce(&mut Saved)) -> Refused<()> {
        let mut saved = registry.saved.clone();
        saved.disabled.retain(|name| registry.slots.contains_key(name));
        change(&mut saved);
        if let Some(dir) = &self.dir {
            saved.save(dir)?;
        }
        registry.saved = saved;
        Ok(())
    }

    /// Changes an endpoint that was made at run time.
    fn edit(
        &self,
        registry: &mut Registry,
        name: &str,
        edit: impl FnOnce(&mut SavedEndpoint) -> Refused<()>,
    ) -> Refused<()> {
        made(registry, name)?;
        let mut changed = registry.saved.clone();
        let Some(endpoint) = changed.find_mut(name) else { return Err(ChangeRefused::Unknown(name.to_owned())) };
        edit(endpoint)?;
        let built = endpoint.endpoint()?;
        self.save(registry, |saved| *saved = changed)?;
        known(registry, name)?.endpoint.send_replace(Arc::new(built));
        Ok(())
    }
}

fn described(description: Option<String>) -> Refused<Option<String>> {
    match description {
        Some(text) if text.len() > DESCRIPTION_BYTES_MAX => Err(ChangeRefused::Description),
        other => Ok(other),
    }
}

fn known<'a>(registry: &'a mut Registry, name: &str) -> Refused<&'a mut Slot> {
    registry.slots.get_mut(name).ok_or_else(|| ChangeRefused::Unknown(name.to_owned()))
}

/// An endpoint that was made at run time.
fn made<'a>(registry: &'a mut Registry, name: &str) -> Refused<&'a mut Slot> {
    match known(registry, name)? {
        slot if slot.source == Source::Created => Ok(slot),
        _ => Err(ChangeRefused::Configured(name.to_owned())),
    }
}

fn shown(registry: &Registry, name: &str) -> Refused<EndpointStatus> {
    registry.status_of(name).ok_or_else(|| ChangeRefused::Unknown(name.to_owned()))
}
