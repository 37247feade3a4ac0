//! The page: three files that are part of the binary.
//!
//! Invariant: the browser may load from this listener alone, and runs no script that stands in the page.
//! Not here: the files themselves (`assets/`), what they show (`stages`).
use axum::{
    http::header,
    response::{IntoResponse, Response},
};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn file(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}

pub async fn html() -> Response {
    file("text/html; charset=utf-8", include_str!("../assets/console.html"))
}
pub async fn css() -> Response {
    file("text/css; charset=utf-8", include_str!("../assets/console.css"))
}
pub async fn js() -> Response {
    file("text/javascript; charset=utf-8", include_str!("../assets/console.js"))
}
