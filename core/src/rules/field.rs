//! The fields that rules ask about, their types, and the operators.

use serde::Serialize;

/// A fact that a rule can ask about.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "RuleField"))]
pub enum Field {
    /// 1 to 99; 0 when not computed or verified.
    #[serde(rename = "score")]
    Score,
    /// The band of the score.
    #[serde(rename = "band")]
    Band,
    /// Whether the visitor is a bot that proved its identity.
    #[serde(rename = "verified_bot")]
    VerifiedBot,
    /// The category of that bot.
    #[serde(rename = "verified_bot_category")]
    VerifiedBotCategory,
    /// Whether the script probe passed.
    #[serde(rename = "js_detection.passed")]
    JsPassed,
    /// Whether the path names an asset.
    #[serde(rename = "static_resource")]
    StaticResource,
    /// The ids of what was detected.
    #[serde(rename = "detection_ids")]
    DetectionIds,
    /// The requested path or route template.
    #[serde(rename = "path")]
    Path,
    /// The visitor's address.
    #[serde(rename = "ip")]
    Ip,
    /// The visitor's country.
    #[serde(rename = "country")]
    Country,
    /// The visitor's user agent.
    #[serde(rename = "ua")]
    Ua,
    /// Naturalness of the pointer's path, 0 to 1.
    #[serde(rename = "behavioral.mouse_entropy")]
    MouseEntropy,
    /// Pixels per second while scrolling.
    #[serde(rename = "behavioral.scroll_velocity")]
    ScrollVelocity,
    /// How often the page was hidden or shown.
    #[serde(rename = "behavioral.visibility_changes")]
    VisibilityChanges,
    /// Delay of the first input, in milliseconds.
    #[serde(rename = "behavioral.first_input_delay_ms")]
    FirstInputDelay,
    /// Whether the visitor is logged in.
    #[serde(rename = "logged_in")]
    LoggedIn,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 16] = [
        Self::Score,
        Self::Band,
        Self::VerifiedBot,
        Self::VerifiedBotCategory,
        Self::JsPassed,
        Self::StaticResource,
        Self::DetectionIds,
        Self::Path,
        Self::Ip,
        Self::Country,
        Self::Ua,
        Self::MouseEntropy,
        Self::ScrollVelocity,
        Self::VisibilityChanges,
        Self::FirstInputDelay,
        Self::LoggedIn,
    ];

    /// The name in expressions.
    pub fn name(self) -> &'static str {
        match self {
            Self::Score => "score",
            Self::Band => "band",
            Self::VerifiedBot => "verified_bot",
            Self::VerifiedBotCategory => "verified_bot_category",
            Self::JsPassed => "js_detection.passed",
            Self::StaticResource => "static_resource",
            Self::DetectionIds => "detection_ids",
            Self::Path => "path",
            Self::Ip => "ip",
            Self::Country => "country",
            Self::Ua => "ua",
            Self::MouseEntropy => "behavioral.mouse_entropy",
            Self::ScrollVelocity => "behavioral.scroll_velocity",
            Self::VisibilityChanges => "behavioral.visibility_changes",
            Self::FirstInputDelay => "behavioral.first_input_delay_ms",
            Self::LoggedIn => "logged_in",
        }
    }

    /// The field of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// What its values are.
    pub fn field_type(self) -> FieldType {
        match self {
            Self::Score
            | Self::MouseEntropy
            | Self::ScrollVelocity
            | Self::VisibilityChanges
            | Self::FirstInputDelay => FieldType::Number,
            Self::VerifiedBot | Self::JsPassed | Self::StaticResource | Self::LoggedIn => FieldType::Boolean,
            Self::Band | Self::VerifiedBotCategory | Self::Path | Self::Country | Self::Ua => FieldType::Text,
            Self::Ip => FieldType::Address,
            Self::DetectionIds => FieldType::Ids,
        }
    }

    /// Whether it may be compared with `null`.
    pub fn takes_null(self) -> bool {
        match self.field_type() {
            FieldType::Number => self != Self::Score,
            FieldType::Boolean => self == Self::JsPassed,
            FieldType::Text => self != Self::Band,
            FieldType::Address => true,
            FieldType::Ids => false,
        }
    }
}

/// What a field's values are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FieldType {
    /// A 64-bit float.
    Number,
    /// `true` or `false`.
    Boolean,
    /// Compared byte by byte, countries in upper case.
    Text,
    /// An IP address; compared with addresses and ranges.
    Address,
    /// A list of integers.
    Ids,
}

impl FieldType {
    /// The operators that apply.
    pub fn operators(self) -> &'static [Operator] {
        use Operator::{Equal, Greater, GreaterOrEqual, In, Less, LessOrEqual, NotEqual, NotIn};
        match self {
            Self::Number => &[Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual],
            Self::Boolean => &[Equal, NotEqual],
            Self::Text | Self::Address => &[Equal, NotEqual, In, NotIn],
            Self::Ids => &[In, NotIn],
        }
    }
}

/// A comparison operator.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Operator {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `in`
    In,
    /// `not in`
    NotIn,
}

impl Operator {
    /// Every operator; one that begins with another comes before it.
    pub const ALL: [Self; 8] = [
        Self::Equal,
        Self::NotEqual,
        Self::LessOrEqual,
        Self::Less,
        Self::GreaterOrEqual,
        Self::Greater,
        Self::NotIn,
        Self::In,
    ];

    /// As it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
            Self::NotIn => "not in",
        }
    }

    /// Whether it takes a list.
    pub fn takes_list(self) -> bool {
        matches!(self, Self::In | Self::NotIn)
    }
}
