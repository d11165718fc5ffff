//! Whether a path names a static file, so that owners can leave such requests alone.

const PREFIXES: [&str; 3] = ["/.well-known/", "/assets/", "/static/"];

const FILES: [&str; 4] = ["/ads.txt", "/favicon.ico", "/humans.txt", "/robots.txt"];

const EXTENSIONS: [&str; 24] = [
    "avif",
    "bmp",
    "css",
    "eot",
    "gif",
    "ico",
    "jpeg",
    "jpg",
    "js",
    "map",
    "mjs",
    "mp3",
    "mp4",
    "ogg",
    "otf",
    "png",
    "svg",
    "ttf",
    "wasm",
    "webm",
    "webmanifest",
    "webp",
    "woff",
    "woff2",
];

/// Whether the path (query and fragment are ignored) names an asset: by folder, by well-known name or by extension.
pub fn is_static_resource(path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    PREFIXES.iter().any(|prefix| path.starts_with(prefix))
        || FILES.contains(&path)
        || has_asset_extension(path)
}

fn has_asset_extension(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or_default();
    file.rsplit_once('.')
        .is_some_and(|(_, extension)| EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assets_are_static() {
        for path in [
            "/app.js",
            "/app.JS?v=1",
            "/a/b.c/logo.Svg#x",
            "/.well-known/jwks.json",
            "/assets/x",
            "/static/",
            "/favicon.ico",
            "/robots.txt",
            "/ads.txt",
            "/humans.txt",
            "/f.woff2",
            "app.css",
        ] {
            assert!(is_static_resource(path), "{path}");
        }
    }

    #[test]
    fn pages_are_not() {
        for path in [
            "",
            "/",
            "/checkout",
            "/js",
            "/app.json",
            "/app.js/",
            "/a.js/b",
            "/page?file=a.js",
            "/page#a.js",
            "/assets",
            "/x/static/y",
            "/security.txt",
            "/x/robots.txt",
            "/file.",
            "/appjs",
        ] {
            assert!(!is_static_resource(path), "{path}");
        }
    }
}
