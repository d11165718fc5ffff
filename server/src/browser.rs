//! The files that browsers load: the collector under its documented paths, everything else under `/-/assets/`.
//!
//! The folder's name is the hash of all files, so that scripts find each other by relative names and every
//! answer may be cached for good.

use std::sync::OnceLock;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use quivive_core::encoding;
use sha2::{Digest, Sha256};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::conditional;
use crate::error::{Error, Result};
use crate::extract::Path;

/// One file that browsers load.
struct Asset {
    name: &'static str,
    bytes: &'static [u8],
}

macro_rules! assets {
    (built: $($built:literal)*; $($folder:literal: $($kept:literal)*;)*) => {
        const ASSETS: &[Asset] = &[
            $(Asset {
                name: $built,
                bytes: include_bytes!(concat!(env!("OUT_DIR"), "/browser/", $built)),
            },)*
            $($(Asset {
                name: $kept,
                bytes: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), $folder, $kept)),
            },)*)*
        ];
    };
}

assets! {
    built: "core_bg.wasm" "core.js" "quivive.js" "native.js" "error.js" "collector.wasm" "sdk.js" "sdk.mjs";
    "/assets/": "classify.js" "copy.js" "dashboard.css" "dashboard.js" "dom.js" "home.js" "icon.svg" "page.css" "proof.js" "site.css" "visit.js";
    "/assets/console/": "console.css" "console.js";
    "/assets/docs/": "docs.css";
    "/assets/vendor/": "htmx.LICENSE" "htmx.min.js" "uplot.LICENSE" "uplot.min.css" "uplot.min.js";
}

/// The path of the folder of assets, without a slash at the end: `/-/assets/<hash>`.
pub fn assets_path() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| {
        let mut hash = Sha256::new();
        for asset in ASSETS {
            hash.update(asset.name);
            hash.update(Sha256::digest(asset.bytes));
        }
        format!("/-/assets/{}", short_hash(&hash.finalize()))
    })
}

/// A file that pages of this server load. The folder names its content, so any other folder is "not found".
#[utoipa::path(
    get, path = "/-/assets/{hash}/{name}", tag = "native", operation_id = "native_read_asset",
    params(("hash" = String, Path, description = "Hash of all files"), ("name" = String, Path)),
    responses((status = 200, description = "The file"), (status = 404, description = "No such file")),
)]
async fn read(Path((hash, name)): Path<(String, String)>) -> Result<Response> {
    let is_current = assets_path().strip_prefix("/-/assets/") == Some(hash.as_str());
    let asset = find(&name).filter(|_| is_current).ok_or_else(|| Error::not_found("no such file"))?;
    let mut response = asset.respond();
    let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
    response.headers_mut().insert(header::CACHE_CONTROL, forever);
    Ok(response)
}

/// The collector as a classic script.
#[utoipa::path(
    get, path = "/v1/sdk.js", tag = "botect", operation_id = "botect_read_script",
    responses((status = 200, content_type = "text/javascript", body = String), (status = 304)),
)]
async fn script(headers: HeaderMap) -> Result<Response> {
    published("sdk.js", &headers)
}

/// The collector as a module.
#[utoipa::path(
    get, path = "/v1/sdk.mjs", tag = "botect", operation_id = "botect_read_module",
    responses((status = 200, content_type = "text/javascript", body = String), (status = 304)),
)]
async fn module(headers: HeaderMap) -> Result<Response> {
    published("sdk.mjs", &headers)
}

/// The collector's measures, loaded by its script.
#[utoipa::path(
    get, path = "/v1/sdk.wasm", tag = "botect", operation_id = "botect_read_wasm",
    responses((status = 200, content_type = "application/wasm", body = Vec<u8>), (status = 304)),
)]
async fn wasm(headers: HeaderMap) -> Result<Response> {
    published("collector.wasm", &headers)
}

/// The files of our own pages.
pub fn router(_app: &App) -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(read))
}

/// The collector's documented paths.
pub fn collector(_app: &App) -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(script)).routes(routes!(module)).routes(routes!(wasm))
}

fn published(name: &str, headers: &HeaderMap) -> Result<Response> {
    let asset = find(name).ok_or_else(|| Error::internal("a browser file is missing"))?;
    Ok(for_every_site(asset.respond(), asset.bytes, headers))
}

/// The answer with a file that pages of every site may load, or 304 when the browser has these bytes already.
pub fn for_every_site(file: Response, bytes: &[u8], headers: &HeaderMap) -> Response {
    let mut response = conditional::tagged(file, bytes, "public, max-age=300", headers);
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    response
}

fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

impl Asset {
    fn respond(&self) -> Response {
        let media_type = match self.name.rsplit('.').next() {
            Some("css") => "text/css; charset=utf-8",
            Some("js" | "mjs") => "text/javascript; charset=utf-8",
            Some("LICENSE") => "text/plain; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some("wasm") => "application/wasm",
            _ => "application/octet-stream",
        };
        let mut response = self.bytes.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }
}

fn short_hash(digest: &[u8]) -> String {
    encoding::hex(digest.get(..8).unwrap_or(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folders_is_served() {
        for folder in ["assets", "assets/console", "assets/vendor"] {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let name = entry.file_name().into_string().unwrap();
                let is_file = entry.file_type().unwrap().is_file() && !name.ends_with(".html");
                assert!(!is_file || find(&name).is_some(), "{name} is not in the table");
            }
        }
    }

    #[test]
    fn files_of_others_are_the_published_ones() {
        // As in the packages htmx.org 2.0.11 (0BSD) and uplot 1.6.32 (MIT) of the npm registry.
        for (name, hash) in [
            ("htmx.min.js", "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"),
            ("uplot.min.js", "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f"),
            ("uplot.min.css", "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04"),
        ] {
            assert_eq!(encoding::hex(&Sha256::digest(find(name).unwrap().bytes)), hash, "{name}");
        }
        let text = |name: &str| String::from_utf8(find(name).unwrap().bytes.to_vec()).unwrap();
        assert!(text("htmx.min.js").contains("version:\"2.0.11\""));
        assert!(text("uplot.min.js").contains("uPlot (v1.6.32)"));
        assert!(text("htmx.LICENSE").contains("Zero-Clause BSD"));
        assert!(text("uplot.LICENSE").contains("The MIT License"));
    }
}
