//! Promotions in files and requests: YAML and JSON of one shape.
//!
//! ```text
//!   YAML ──▶ JSON value ──▶ Promotion, the field's path in every error ──▶ RuleSet
//!   JSON ────────▲
//! ```
//!
//! The shape is that of [`Promotion`] itself: serde stands on the domain's types, so that a file, a request and the
//! journal cannot drift apart. Unknown fields and duplicate keys are refused. See `examples/promotions.yaml`.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use stockade_domain::Currency;
use stockade_domain::promotion::{Lane, Promotion, PromotionError, RuleSet, check};

/// The largest file, in bytes; 10,000 promotions are about 2 MB.
pub const FILE_BYTES_MAX: usize = 64 << 20;
/// The most maps, lists and scalars of a file.
const NODES_MAX: usize = 2_000_000;

/// Why a file or a body is not promotions.
#[derive(Debug, thiserror::Error)]
pub enum PromotionFileError {
    /// Too long to be read.
    #[error("the promotions are {bytes} bytes, more than {FILE_BYTES_MAX}: split them")]
    TooLarge {
        /// How long it is.
        bytes: usize,
    },
    /// Not YAML, or not JSON; the message says where.
    #[error("{message}")]
    Syntax {
        /// What the parser says.
        message: String,
    },
    /// A field is unknown, missing, or of another type.
    #[error("`{path}`: {why}")]
    Field {
        /// Where, such as `promotions[3].then.order`.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A promotion makes no sense.
    #[error(transparent)]
    Promotion(#[from] PromotionError),
}

/// A file of promotions.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromotionFile {
    /// The currency of promotions that have amounts and name none.
    pub currency: Option<Currency>,
    /// The lanes in their order; the standard ones, or those of the shop, if nothing is said.
    pub lanes: Option<Vec<Lane>>,
    /// The promotions; their order means nothing.
    pub promotions: Vec<Promotion>,
}

impl PromotionFile {
    /// Reads YAML; JSON is YAML too.
    pub fn from_yaml(text: &str) -> Result<Self, PromotionFileError> {
        Self::from_value(value_of_yaml(text)?)
    }

    /// Reads a JSON value, such as the body of `POST /promotions`.
    pub fn from_value(value: serde_json::Value) -> Result<Self, PromotionFileError> {
        let mut file: Self = typed(value)?;
        for promotion in &mut file.promotions {
            if promotion.currency.is_none() && check::lacks_currency(promotion) {
                promotion.currency = file.currency;
            }
        }
        Ok(file)
    }

    /// Checks and compiles the promotions.
    pub fn compile(self, version: u64) -> Result<RuleSet, PromotionFileError> {
        let lanes = self.lanes.unwrap_or_else(Lane::standard);
        Ok(RuleSet::compile_in(lanes, self.promotions, version)?)
    }
}

/// Reads one promotion as JSON, such as the body of `PUT /promotions/{id}`, and checks it by itself.
pub fn promotion_from_json(bytes: &[u8]) -> Result<Promotion, PromotionFileError> {
    check_length(bytes.len())?;
    promotion_from_value(
        serde_json::from_slice(bytes).map_err(|error| PromotionFileError::Syntax { message: error.to_string() })?,
    )
}

/// Reads one promotion of a JSON value, and checks it by itself.
pub fn promotion_from_value(value: serde_json::Value) -> Result<Promotion, PromotionFileError> {
    let promotion = typed(value)?;
    check::promotion(&promotion)?;
    Ok(promotion)
}

/// Reads any YAML into a type, with the path in every error.
pub fn from_yaml<T: DeserializeOwned>(text: &str) -> Result<T, PromotionFileError> {
    typed(value_of_yaml(text)?)
}

/// YAML as a JSON value first: one shape, one kind of paths, and the parser refuses duplicate keys meanwhile.
fn value_of_yaml(text: &str) -> Result<serde_json::Value, PromotionFileError> {
    check_length(text.len())?;
    let mut options = serde_saphyr::Options::default();
    // As YAML 1.2 has it: Norway is `NO` and not a no, and `007` and `1_000` are names.
    options.strict_booleans = true;
    options.leading_zero_numbers_as_strings = true;
    options.underscored_numbers_as_strings = true;
    // Room for 50,000 promotions.
    let budget = options.budget.get_or_insert_default();
    (budget.max_nodes, budget.max_events) = (NODES_MAX, 4 * NODES_MAX);
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| PromotionFileError::Syntax { message: error.to_string() })
}

fn check_length(bytes: usize) -> Result<(), PromotionFileError> {
    if bytes > FILE_BYTES_MAX { Err(PromotionFileError::TooLarge { bytes }) } else { Ok(()) }
}

fn typed<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, PromotionFileError> {
    serde_path_to_error::deserialize(value)
        .map_err(|error| PromotionFileError::Field { path: error.path().to_string(), why: error.inner().to_string() })
}
