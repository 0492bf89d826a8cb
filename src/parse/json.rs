//! The shapes of JSON that readers of records share: one value or many, and objects whose names nobody knows before.
//!
//! Way: wire structs of the readers hold these beside [`Value`]; both stop at a limit, so that no record can fill the
//! memory.
//! Not here: single values (`ndjson::value`), field names (the readers).

use crate::parse::ndjson::value::{PAIRS_MAX, Value};
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt;

/// Most values read of an array: one more than the 16 thousand recipients that any reader takes, so that too many are
/// noticed.
pub(in crate::parse) const MANY_MAX: usize = 16 * 1024 + 1;

/// Most pairs read of an object: four times what an event keeps, as some go into columns.
const PAIRS_READ_MAX: usize = 4 * PAIRS_MAX;

/// One value, or an array of them; of those the first [`MANY_MAX`].
#[derive(Debug, Default)]
pub(in crate::parse) struct OneOrMany<'a>(pub(in crate::parse) Vec<Value<'a>>);

impl<'a> OneOrMany<'a> {
    /// The values of a field that was read before.
    pub(in crate::parse) fn of(value: &Value<'a>) -> Self {
        match value {
            Value::Nested(json) if json.starts_with('[') => serde_json::from_str(json).unwrap_or_default(),
            value => Self(vec![value.clone()]),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for OneOrMany<'a> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct ManyVisitor;

        impl<'de> Visitor<'de> for ManyVisitor {
            type Value = Vec<Value<'de>>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, values: A) -> Result<Self::Value, A::Error> {
                bounded(values, MANY_MAX)
            }
        }

        Ok(match Value::deserialize(source)? {
            Value::Null => Self::default(),
            Value::Nested(json) if json.starts_with('[') => {
                let many = serde_json::Deserializer::from_str(json).deserialize_seq(ManyVisitor);
                Self(many.map_err(D::Error::custom)?)
            }
            value => Self(vec![value]),
        })
    }
}

/// The first values of an array; the others are passed over.
pub(in crate::parse) fn bounded<'de, A: SeqAccess<'de>, T: Deserialize<'de>>(
    mut values: A,
    max: usize,
) -> Result<Vec<T>, A::Error> {
    let mut first = Vec::new();
    while first.len() < max {
        match values.next_element()? {
            Some(value) => first.push(value),
            None => return Ok(first),
        }
    }
    while values.next_element::<IgnoredAny>()?.is_some() {}
    Ok(first)
}

/// An object, as its first pairs in their order.
#[derive(Debug, Default)]
pub(in crate::parse) struct Pairs<'a>(pub(in crate::parse) Vec<(Cow<'a, str>, Value<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct PairsVisitor;

        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_unit<E>(self) -> Result<Pairs<'de>, E> {
                Ok(Pairs::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    if pairs.len() < PAIRS_READ_MAX {
                        pairs.push((name, value));
                    }
                }
                Ok(Pairs(pairs))
            }
        }

        source.deserialize_any(PairsVisitor)
    }
}

/// The name of a pair, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
