//! JSON of the report: keys sorted, numbers with six decimals, so that equal figures are equal bytes.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use super::measures::{Figure, Separation};

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// Not measured.
    Null,
    /// A count or a number of a list.
    Whole(u64),
    /// A figure; six decimals are written.
    Number(f64),
    /// A name.
    Text(String),
    /// Values in order.
    List(Vec<Json>),
    /// Values by name.
    Object(BTreeMap<String, Json>),
}

impl Json {
    /// An object of these members.
    pub fn object<const N: usize>(members: [(&str, Json); N]) -> Self {
        Self::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// An object with a member for each entry.
    pub fn map<'a, V: 'a>(
        entries: impl IntoIterator<Item = (&'a String, &'a V)>,
        value: impl Fn(&V) -> Json,
    ) -> Self {
        Self::Object(entries.into_iter().map(|(name, entry)| (name.clone(), value(entry))).collect())
    }

    /// Adds a member to an object.
    pub fn with(mut self, name: &str, value: impl Into<Json>) -> Self {
        if let Self::Object(members) = &mut self {
            members.insert(name.to_owned(), value.into());
        }
        self
    }

    /// Adds a member unless it is absent.
    pub fn with_some(self, name: &str, value: Option<impl Into<Json>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The value at a path of names.
    pub fn at<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Option<&Self> {
        path.into_iter().try_fold(self, |value, name| match value {
            Self::Object(members) => members.get(name),
            _ => None,
        })
    }

    /// The number, when it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Whole(whole) => Some(*whole as f64),
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
}

impl From<f64> for Json {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<usize> for Json {
    fn from(count: usize) -> Self {
        Self::Whole(count as u64)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl From<Figure> for Json {
    fn from(figure: Figure) -> Self {
        figure.value.into()
    }
}

impl From<Separation> for Json {
    fn from(separation: Separation) -> Self {
        Self::object([
            ("auc", separation.auc.into()),
            ("tpr_at_1pct", separation.tpr_at_1pct.into()),
            ("tpr_at_01pct", separation.tpr_at_01pct.into()),
        ])
    }
}

impl Display for Json {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => formatter.write_str("null"),
            Self::Whole(whole) => write!(formatter, "{whole}"),
            // A JSON number cannot say "not a number"; and there is no minus zero among figures.
            Self::Number(number) if !number.is_finite() => formatter.write_str("null"),
            Self::Number(number) => write!(formatter, "{:.6}", number + 0.0),
            Self::Text(text) => write!(formatter, "{}", serde_json::Value::from(text.as_str())),
            Self::List(values) => {
                formatter.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    write!(formatter, "{}{value}", if index > 0 { "," } else { "" })?;
                }
                formatter.write_str("]")
            }
            Self::Object(members) => {
                formatter.write_str("{")?;
                for (index, (name, value)) in members.iter().enumerate() {
                    let name = serde_json::Value::from(name.as_str());
                    write!(formatter, "{}{name}:{value}", if index > 0 { "," } else { "" })?;
                }
                formatter.write_str("}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_and_figures_have_six_decimals() {
        let json = Json::object([
            ("b", 0.5.into()),
            ("a", 3_usize.into()),
            ("c", Json::List(vec![Json::Null, "x\"y".into(), f64::NAN.into(), (-0.0).into()])),
        ]);
        assert_eq!(json.to_string(), r#"{"a":3,"b":0.500000,"c":[null,"x\"y",null,0.000000]}"#);
        assert!(serde_json::from_str::<serde_json::Value>(&json.to_string()).is_ok());
    }

    #[test]
    fn values_are_found_by_their_path() {
        let json = Json::object([("P", Json::object([("n", 2_usize.into())]))]);
        assert_eq!(json.at(["P", "n"]).and_then(Json::number), Some(2.0));
        assert_eq!(json.at(["P", "x"]), None);
        assert_eq!(json.at(["P", "n", "x"]), None);
    }

    #[test]
    fn absent_members_are_left_out_when_asked() {
        let json = Json::object([]).with_some("a", None::<f64>).with("b", None::<f64>);
        assert_eq!(json.to_string(), r#"{"b":null}"#);
    }
}
