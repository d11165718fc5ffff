//! Making and hashing of secrets and ids; what is stored of a secret is its SHA-256.

use quivive_core::encoding;
use sha2::{Digest, Sha256};

use crate::app::App;

/// A new site key: `pk_` and 32 base62 characters; public.
pub fn new_site_key(app: &App) -> String {
    format!("pk_{}", random_text(app, BASE62, 32))
}

/// A new private key: `sk_` and 43 base62 characters, over 256 bits.
pub fn new_private_key(app: &App) -> String {
    format!("sk_{}", random_text(app, BASE62, 43))
}

/// A new account API token: 48 base62 characters.
pub fn new_api_token(app: &App) -> String {
    random_text(app, BASE62, 48)
}

/// A new secret of the console, for a link or a cookie: 43 base62 characters, over 256 bits.
pub fn new_console_secret(app: &App) -> String {
    random_text(app, BASE62, 43)
}

/// A new key for request detection: `as_live_` or `as_test_` and 32 base62 characters.
pub fn new_detection_key(app: &App, is_test: bool) -> String {
    let prefix = if is_test { "as_test_" } else { "as_live_" };
    format!("{prefix}{}", random_text(app, BASE62, 32))
}

/// A new project id: `proj_` and 20 characters of lower-case base32 (Crockford).
pub fn new_project_id(app: &App) -> String {
    format!("proj_{}", random_text(app, CROCKFORD, 20))
}

/// A new id of a key for request detection: `key_` and 20 characters of lower-case base32 (Crockford).
pub fn new_key_id(app: &App) -> String {
    format!("key_{}", random_text(app, CROCKFORD, 20))
}

/// A new secret of a webhook: `whsec_` and 43 base62 characters, over 256 bits.
pub fn new_webhook_secret(app: &App) -> String {
    format!("whsec_{}", random_text(app, BASE62, 43))
}

/// A new pixel id: `px_` and 20 characters of lower-case base32 (Crockford); public.
pub fn new_pixel_id(app: &App) -> String {
    format!("px_{}", random_text(app, CROCKFORD, 20))
}

/// What is stored of a secret: its SHA-256 in lower-case hexadecimal.
pub fn hash(secret: &str) -> String {
    encoding::hex(&Sha256::digest(secret.as_bytes()))
}

const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Lower-case base32 by Crockford, the alphabet of ids.
pub const CROCKFORD: &[u8] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Draws characters evenly: bytes at or above the largest multiple of the alphabet's size are thrown away.
pub fn random_text(app: &App, alphabet: &[u8], length: usize) -> String {
    let even = 256 - 256 % alphabet.len();
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let characters = app
            .random_bytes::<64>()
            .into_iter()
            .map(usize::from)
            .filter(|byte| *byte < even)
            .filter_map(|byte| alphabet.get(byte % alphabet.len()))
            .map(|byte| char::from(*byte));
        text.extend(characters.take(length - text.len()));
    }
    text
}
