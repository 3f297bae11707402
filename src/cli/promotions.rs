//! The promotions of `stockade serve --promotions FILE`: read before the directory is touched, put before anybody is served.

use std::path::Path;

use super::output::Failure;
use super::settings::Settings;
use crate::promotions::PromotionFile;
use crate::{Config, Engine};

/// Reads the file that is configured and fits the engine's lanes to it: those of the configuration, else its own.
pub(super) fn read(settings: &Settings, config: &mut Config) -> Result<Option<PromotionFile>, Failure> {
    let Some(path) = &settings.promotions else { return Ok(None) };
    let file = parse(path)?;
    match (&settings.lanes, &file.lanes) {
        (Some(configured), Some(own)) if configured != own => {
            return Err(invalid(path, "its lanes are not those of the configuration: leave them out in one of both"));
        }
        (None, Some(own)) => config.lanes.clone_from(own),
        _ => {}
    }
    let whole = PromotionFile { lanes: Some(config.lanes.clone()), ..file.clone() };
    whole.compile(0).map_err(|error| invalid(path, error))?;
    Ok(Some(file))
}

fn parse(path: &Path) -> Result<PromotionFile, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| invalid(path, error))?;
    PromotionFile::from_yaml(&text).map_err(|error| invalid(path, error))
}

fn invalid(path: &Path, why: impl std::fmt::Display) -> Failure {
    Failure::usage("promotions_invalid", format!("promotions of {}: {why}", path.display()))
}

/// Puts them: those that are as they were are no change.
pub(super) fn put(engine: &Engine, file: PromotionFile) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(|error| Failure::cannot("promotions_not_put", error))?;
    let put = runtime.block_on(engine.put_promotions(file.promotions));
    let put = put.map_err(|refusal| Failure::cannot(refusal.code(), format!("promotions: {refusal}")))?;
    tracing::info!(created = put.created, changed = put.changed, unchanged = put.unchanged, "promotions are put");
    Ok(())
}
