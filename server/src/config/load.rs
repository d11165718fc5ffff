//! Reading and merging the sources of the configuration.

use std::path::{Path, PathBuf};

use config::builder::DefaultState;
use config::{ConfigBuilder, File, FileFormat};

use super::{Config, ConfigError, Profile};

/// What the command line sets; it wins over everything.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// A configuration file.
    pub file: Option<PathBuf>,
    /// `listen`.
    pub listen: Option<String>,
    /// `data`.
    pub data: Option<PathBuf>,
    /// `profile`.
    pub profile: Option<Profile>,
    /// `development`.
    pub development: Option<bool>,
}

/// A configuration and what to tell its owner about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The validated configuration.
    pub config: Config,
    /// Things that are odd but no reason not to start.
    pub warnings: Vec<String>,
}

/// Merges and validates all sources.
///
/// # Errors
/// A message that names the file, the variable or the setting, and says what is wrong with it.
pub fn load(
    overrides: &Overrides,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Loaded, ConfigError> {
    let mut warnings = Vec::new();
    let variables: Vec<_> =
        environment.filter_map(|(name, value)| Some((setting(&name)?, name, value))).collect();
    let file = overrides.file.as_deref().map(read_file).transpose()?;

    // The profile decides about the second source, so it is looked up before anything is merged.
    let mut sources = config::Config::builder().add_source(builtin(DEFAULTS));
    if let Some(text) = &file {
        sources = sources.add_source(builtin(text));
    }
    for (path, _, value) in variables.iter().filter(|(path, _, _)| path == "profile") {
        sources = set(sources, path, value.clone())?;
    }
    if let Some(profile) = overrides.profile {
        sources = set(sources, "profile", profile.name())?;
    }
    let profile: Profile = sources
        .build()
        .and_then(|merged| merged.get("profile"))
        .map_err(|error| ConfigError(named(overrides.file.as_deref(), &error.to_string())))?;

    let mut merged = config::Config::builder().add_source(builtin(DEFAULTS));
    if profile == Profile::Compat {
        merged = merged.add_source(builtin(COMPAT));
    }
    if let Some(text) = &file {
        merged = merged.add_source(builtin(text));
    }
    read(&merged).map_err(|error| ConfigError(named(overrides.file.as_deref(), &error)))?;
    for (path, name, value) in variables {
        let with = set(merged.clone(), &path, value)?;
        match read(&with) {
            Ok(_) => merged = with,
            Err(error) if error.contains("unknown field") => {
                warnings.push(format!("the environment variable {name} names no setting and is ignored"));
            }
            Err(error) => return Err(ConfigError(format!("environment variable {name}: {error}"))),
        }
    }
    merged = set(merged, "profile", profile.name())?;
    if let Some(listen) = &overrides.listen {
        merged = set(merged, "listen", listen.as_str())?;
    }
    if let Some(data) = &overrides.data {
        merged = set(merged, "data", data.to_string_lossy().as_ref())?;
    }
    if let Some(development) = overrides.development {
        merged = set(merged, "development", development)?;
    }
    let config = read(&merged).map_err(ConfigError)?;
    config.validate()?;
    warnings.extend(config.warnings());
    Ok(Loaded { config, warnings })
}

type Builder = ConfigBuilder<DefaultState>;

fn builtin(text: &str) -> File<config::FileSourceString, FileFormat> {
    File::from_str(text, FileFormat::Toml)
}

fn read_file(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path)
        .map_err(|error| ConfigError(format!("configuration file {}: {error}", path.display())))
}

fn set(builder: Builder, path: &str, value: impl Into<config::Value>) -> Result<Builder, ConfigError> {
    builder.set_override(path, value).map_err(|error| ConfigError(format!("setting `{path}`: {error}")))
}

fn read(builder: &Builder) -> Result<Config, String> {
    let merged = builder.build_cloned().map_err(|error| error.to_string())?;
    merged.try_deserialize().map_err(|error| error.to_string())
}

fn named(file: Option<&Path>, error: &str) -> String {
    file.map_or_else(|| error.to_owned(), |file| format!("configuration file {}: {error}", file.display()))
}

/// The path of the setting that an environment variable names, if it is one of ours.
fn setting(name: &str) -> Option<String> {
    match name {
        "JWT_SIGNING_KEY" => Some("keys.jwt_signing_key".to_owned()),
        "JWT_SECRET" => Some("keys.jwt_secret".to_owned()),
        "BOTCHA_VERSION" => Some("botcha.version".to_owned()),
        "BOTCHA_BASE_URL" => Some("public_url".to_owned()),
        "BOTCHA_INTERNAL_APP_ID" => Some("botcha.internal_app_id".to_owned()),
        // Names that the build, the clients and the tests use.
        "QUIVIVE_URL" | "QUIVIVE_BROWSER_DIR" | "QUIVIVE_TARGET" | "QUIVIVE_CONFIG" => None,
        other => other.strip_prefix("QUIVIVE_").map(|path| path.to_ascii_lowercase().replace("__", ".")),
    }
}

const DEFAULTS: &str = include_str!("../../config.default.toml");
const COMPAT: &str = include_str!("../../config.compat.toml");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AppGate;

    fn with(variables: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
        load(
            &Overrides::default(),
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        )
    }

    fn with_file(text: &str) -> Result<Loaded, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("quivive.toml");
        std::fs::write(&file, text).unwrap();
        load(&Overrides { file: Some(file), ..Overrides::default() }, std::iter::empty())
    }

    #[test]
    fn defaults_are_secure() {
        let loaded = with(&[]).unwrap();
        assert_eq!(loaded.config.profile, Profile::Secure);
        assert_eq!(loaded.config.compat.open(), Vec::<&str>::new());
        assert_eq!(loaded.config.botcha.rtt_cap_ms, 1000);
        assert_eq!(loaded.warnings, Vec::<String>::new());
    }

    #[test]
    fn compat_opens_its_list_and_says_so_once() {
        let loaded = with(&[("QUIVIVE_PROFILE", "compat")]).unwrap();
        assert_eq!(loaded.config.botcha.rtt_cap_ms, 5000);
        let expected = [
            "vocabulary",
            "limits",
            "dashboard_login",
            "expose_verification_code",
            "log_codes",
            "provider_auth",
        ];
        assert_eq!(loaded.config.compat.open(), expected);
        assert_eq!(loaded.config.compat.without_effect(), ["iss", "grant_self_resolve"]);
        assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
        let (open, without_effect) = loaded.warnings[0].split_once("; ").unwrap();
        assert!(open.contains(": owner_auth, vocabulary, ") && open.ends_with(", rtt_cap_ms"), "{open}");
        assert!(
            without_effect.contains("without effect in this version: iss, grant_self_resolve"),
            "{without_effect}"
        );
    }

    #[test]
    fn a_file_sets_single_switches_over_the_profile() {
        let loaded = with_file("profile = \"compat\"\n[compat]\nlog_codes = false\n").unwrap();
        assert!(loaded.config.compat.vocabulary);
        assert!(!loaded.config.compat.log_codes);
    }

    #[test]
    fn environment_reaches_nested_settings_lists_and_numbers() {
        let config = with(&[
            ("QUIVIVE_BOTCHA__APP_GATE", "strict"),
            ("QUIVIVE_TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.1"),
            ("QUIVIVE_LIMITS__CHALLENGES_PER_HOUR", "7"),
            ("QUIVIVE_FAMILIES", "botcha"),
            ("HOME", "/nowhere"),
        ])
        .unwrap()
        .config;
        assert_eq!(config.botcha.app_gate, AppGate::Strict);
        assert_eq!(config.limits.challenges_per_hour, 7);
        assert_eq!(config.families, [crate::config::Family::Botcha]);
        assert!(config.trusts("10.1.2.3".parse().unwrap()));
        assert!(config.trusts("192.0.2.1".parse().unwrap()));
        assert!(!config.trusts("192.0.2.2".parse().unwrap()));
    }

    #[test]
    fn unknown_names_are_an_error_in_a_file_and_a_warning_in_the_environment() {
        let error = with_file("[botcha]\napp_gait = \"open\"\n").unwrap_err();
        assert!(error.0.contains("app_gait"), "{error}");
        let loaded = with(&[("QUIVIVE_BOTCHA__APP_GAIT", "open")]).unwrap();
        assert!(loaded.warnings[0].contains("QUIVIVE_BOTCHA__APP_GAIT"), "{:?}", loaded.warnings);
    }

    #[test]
    fn wrong_values_name_their_setting() {
        for (name, value, expected) in [
            ("QUIVIVE_BOTCHA__APP_GATE", "ajar", "APP_GATE"),
            ("QUIVIVE_LIMITS__BODY_BYTES", "many", "BODY_BYTES"),
            ("QUIVIVE_TRUSTED_PROXIES", "everyone", "TRUSTED_PROXIES"),
            ("QUIVIVE_PUBLIC_URL", "door.example", "public_url"),
            ("QUIVIVE_KEYS__MASTER_SECRET", "short", "keys.master_secret"),
            ("QUIVIVE_FAMILIES", "", "families"),
        ] {
            let error = with(&[(name, value)]).unwrap_err();
            assert!(error.0.contains(expected), "{name}: {error}");
        }
    }

    #[test]
    fn bots_of_the_operator_are_read_and_checked() {
        let bot =
            |text: &str| with_file(&format!("[[verification.bots]]\nname = \"A\"\ncategory = \"B\"\n{text}"));
        let whole = "token = \"a-bot\"\nsuffixes = [\"crawl.example\"]\nranges = [\"192.0.2.0/24\", \"2001:db8::1\"]\n";
        let bots = bot(whole).unwrap().config.verification.bots;
        assert_eq!((bots.len(), bots[0].ranges.len(), bots[0].suffixes.len()), (1, 2, 1));
        for wrong in [
            "token = \"a-bot\"\n",
            "token = \"a\"\nranges = [\"192.0.2.0/24\"]\n",
            "token = \"a-bot\"\nsuffixes = [\"com\"]\n",
            "token = \"a-bot\"\nranges = [\"everyone\"]\n",
            "ranges = [\"192.0.2.0/24\"]\n",
        ] {
            assert!(bot(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lists_may_be_fetched_elsewhere() {
        let feeds = |text: &str| with_file(&format!("[verification]\nfeeds = {{ {text} }}\n"));
        let loaded = feeds("meta-crawlers = \"https://lists.example/meta.json\"").unwrap();
        assert_eq!(loaded.config.verification.feeds["meta-crawlers"], "https://lists.example/meta.json");
        assert!(feeds("unheard-of = \"https://lists.example/\"").is_err());
        assert!(feeds("meta-crawlers = \"/meta.json\"").is_err());
    }

    #[test]
    fn no_profile_opens_the_way_out() {
        for profile in ["secure", "compat"] {
            let outbound = with(&[("QUIVIVE_PROFILE", profile)]).unwrap().config.outbound;
            assert!(outbound.allow_private.is_empty() && !outbound.allow_http, "{profile}");
        }
        let loaded = with(&[("QUIVIVE_OUTBOUND__ALLOW_PRIVATE", "10.0.0.0/8")]).unwrap();
        assert!(loaded.warnings[0].contains("outbound.allow_private"), "{:?}", loaded.warnings);
    }

    #[test]
    fn development_needs_a_loopback_address() {
        let error = with(&[("QUIVIVE_DEVELOPMENT", "true"), ("QUIVIVE_LISTEN", "0.0.0.0:80")]).unwrap_err();
        assert!(error.0.contains("development"), "{error}");
        assert!(with(&[("QUIVIVE_DEVELOPMENT", "true"), ("QUIVIVE_LISTEN", "[::1]:80")]).is_ok());
    }

    #[test]
    fn secrets_are_not_printed() {
        let config = with(&[("JWT_SECRET", "a secret of thirty-two characters")]).unwrap().config;
        assert!(!format!("{config:?}").contains("thirty-two"));
    }
}
